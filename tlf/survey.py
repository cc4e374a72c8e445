"""Every plugin that is installed: what it offers, or why it cannot be loaded."""

from collections.abc import Iterable

from rich.console import Console

from tlf.plugins import Surveyed


def show_survey(surveyed: Iterable[Surveyed], console: Console) -> None:
    """Print the plugins in the order in which they load."""
    for one in surveyed:
        plugin = one.plugin
        console.print(
            f"{plugin.name}  ({plugin.distribution} {plugin.version})",
            style="bold",
            highlight=False,
        )
        if one.failure is not None:
            console.print(f"  failed to load: {one.failure}", style="red", markup=False)
        for hook in dict.fromkeys(offer.hook for offer in one.offers):
            kinds = ", ".join(offer.kind for offer in one.offers if offer.hook == hook)
            title = hook.removeprefix("tlf_").replace("_", " ")
            console.print(f"  {title:<16}{kinds}", markup=False, highlight=False, soft_wrap=True)
        if one.hooks:
            console.print(f"  {'hooks':<16}{', '.join(one.hooks)}", markup=False, highlight=False)
