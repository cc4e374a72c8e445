"""What ``tlf new-plugin --hook`` writes: for every hook, a module that works, and its test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Starter:
    """The start of a plugin for one hook. In its texts, ``$name`` is the plugin's name."""

    about: str
    """What the plugin is: ``A head``."""
    code: str
    """Imports, the component if there is one, and the hook."""
    use: str
    """How it is used: arguments of ``tlf``, after the recipe or as a whole."""
    kind: str = ""
    """The name of its component; empty if its hook offers none."""
    component: str = ""
    """The class of the component, or the function that is tested."""
    check: str = "check_extension"
    """The function of ``tlf.testing`` that tests it."""
    test: str = ""
    """Its test, where it is more than this check."""
    readme: str = ""
    """Its README, where it says more than how the plugin is used."""
