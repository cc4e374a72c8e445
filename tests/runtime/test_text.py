"""Names of foreign origin reach no terminal and no file as they are."""

import pytest

from tlf.runtime.text import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.png", "plain name.png"),
        ("back\\slash", "back\\slash"),
        ("x[copy]:cat:[/].jpg", "x[copy]:cat:[/].jpg"),
        ("\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        ("a\r\nb\tc\0", r"a\r\nb\tc\x00"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("line\u2028end\u2029", r"line\u2028end\u2029"),
        ("gpj.\u202eexe\u2066", r"gpj.\u202eexe\u2066"),
        ("caf\udce9", r"caf\xe9"),
        ("half a pair \ud83d", r"half a pair \ud83d"),
        ("Ωμέγα 蚂蚁\u3000🐜 می\u200cشود", "Ωμέγα 蚂蚁\u3000🐜 می\u200cشود"),
    ],
)
def test_what_is_unsafe_is_escaped_and_all_else_stays(text, shown):
    assert printable(text) == shown
    assert printable(printable(text)) == shown
    shown.encode()


def test_a_message_keeps_its_lines():
    assert printable_lines("two\n  lines \x1b\r\n") == "two\n  lines \\x1b\\r\n"
