"""Every plugin that is installed: what it offers, or why it cannot be loaded."""

from collections.abc import Iterable

from rich.console import Console

from tlf.installed import switched_off
from tlf.plugins import Surveyed


def show_survey(surveyed: Iterable[Surveyed], console: Console) -> None:
    """Print tlf's own and the other plugins by name, and in which order a run loads them."""
    for one in surveyed:
        plugin = one.plugin
        name = f"{plugin.name}  ({plugin.distribution} {plugin.version})"
        console.print(name, style="bold", highlight=False, markup=False, soft_wrap=True)
        if one.failure is not None:
            console.print(f"  failed to load: {one.failure}", style="red", markup=False,
                          soft_wrap=True)  # fmt: skip
        for hook in dict.fromkeys(offer.hook for offer in one.offers):
            kinds = ", ".join(offer.kind for offer in one.offers if offer.hook == hook)
            title = hook.removeprefix("tlf_").replace("_", " ")
            console.print(f"  {title:<16}{kinds}", markup=False, highlight=False, soft_wrap=True)
        if one.hooks:
            console.print(f"  {'hooks':<16}{', '.join(one.hooks)}", markup=False, highlight=False)
    if switched_off():
        console.print("TLF_PLUGINS=0 switches all others off", highlight=False)
    else:
        console.print(
            "A run loads tlf first, then the plugins that its recipe names, in its order; where "
            "the first answer decides, the last one is asked first.",
            highlight=False,
        )
