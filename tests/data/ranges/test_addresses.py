import pytest

from tlf.data.ranges.addresses import changed, other_bytes, scheme, shown


def test_a_path_has_no_scheme():
    assert scheme("a/b.tar") == scheme("/a/b.tar") == scheme("a://") == ""


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://me:p@ss@host:8/a.tar?X-Amz-Signature=abc&b=c", "https://host:8/a.tar?…"),
        ("cannot open 'ftp://me:pw@host/a' twice", "cannot open 'ftp://host/a' twice"),
        ("url='https://host/a?sig=b', x", "url='https://host/a?…', x"),
        ("s3://bucket/a-?.tar", "s3://bucket/a-?.tar"),
        ("images/a?b=c@d.tar", "images/a?b=c@d.tar"),
    ],
)
def test_secrets_are_not_shown(text, safe):
    assert shown(text) == safe
    assert changed(text).startswith(f"{safe} has changed")


def test_who_starts_again_is_told_what_would_help():
    assert other_bytes("a.tar").endswith("or touch the file if this one is right")
    assert other_bytes("http://host/a.tar").endswith(
        "or upload the file again if this one is right"
    )
