"""The result of a check."""

from checked_images import LEAK, checked, image


def test_print_shows_it_as_the_command_line_does():
    assert str(checked(duplicates=(LEAK,))).startswith("checked   my/images: 9 train, 3 eval ")


def test_the_bytes_of_an_image():
    assert checked().read(image("train", 7)) == b"7"
    assert checked().read(image("eval", 2)) == b"2"


def test_a_notebook_shows_the_summary():
    class Printer:
        def text(self, text):
            self.shown = text

    printer = Printer()
    checked()._repr_pretty_(printer, False)
    assert printer.shown == str(checked())
