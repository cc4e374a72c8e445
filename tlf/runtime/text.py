"""Text for people. What is of foreign origin, such as the name of a file or of a class, is made
safe to show and write.
"""

import re

# Line ends, terminal escapes and other control characters, marks that turn the direction of text,
# and what stands for bytes that are not UTF-8 in the name of a file.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""One line of text that any terminal and any UTF-8 file can hold: what is unsafe is escaped.

    >>> print(printable("a\x1b[31m\n.png"), printable("caf\udce9.png"), printable("Ω 蚁 🐜.png"))
    a\x1b[31m\n.png caf\xe9.png Ω 蚁 🐜.png
    """
    return _UNSAFE.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """The same for a message of several lines: its line ends stay."""
    return "\n".join(map(printable, text.split("\n")))


def shortened(text: str, width: int) -> str:
    """Text without its middle, where it takes more cells of a terminal.

    >>> shortened("holiday/2019/ant.jpg", 13), shortened("ant.jpg", 13)
    ('holida…nt.jpg', 'ant.jpg')
    """
    from rich.cells import cell_len, set_cell_size  # a head is loaded without it

    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{set_cell_size(text, width - 1 - end)}…{set_cell_size(text[::-1], end)[::-1]}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.43), duration(6.7), duration(400), duration(8000)
    ('0.4 s', '7 s', '6 min 40 s', '2 h 13 min')
    """
    whole = round(seconds)
    if seconds < 1:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode()
