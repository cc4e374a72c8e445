"""The result of a study."""

from probed_backbones import PROBED


def test_a_notebook_shows_what_is_printed():
    class Printer:
        def text(self, text):
            self.shown = text

    printer = Printer()
    PROBED._repr_pretty_(printer, cycle=False)
    assert printer.shown == str(PROBED)
