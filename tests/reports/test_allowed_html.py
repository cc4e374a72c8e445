"""The lists hold nothing that loads, runs or covers the page."""

from tlf.reports.allowed_html import ATTRIBUTES, ELEMENTS, PROPERTIES, REFERENCES, VOID


def test_the_lists_hold_nothing_that_loads_or_runs():
    loading = {"script", "style", "link", "iframe", "object", "embed", "image", "video", "audio",
               "source", "base", "meta", "form", "input", "button", "animate", "set",
               "foreignobject", "math", "template", "noscript"}  # fmt: skip
    assert not ELEMENTS & loading
    assert not {name for name in ATTRIBUTES if name.startswith(("on", "data", "srcset", "form"))}
    assert not PROPERTIES & {"position", "background", "background-image", "content", "behavior",
                             "cursor", "z-index", "filter", "list-style"}  # fmt: skip


def test_names_are_in_small_letters_as_a_parser_gives_them():
    for names in (ELEMENTS, ATTRIBUTES, PROPERTIES, REFERENCES, VOID):
        assert all(name == name.lower() for name in names)
    assert VOID <= ELEMENTS
