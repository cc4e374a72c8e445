"""Forms that arrive in pieces of any size."""

import logging

import pytest

from served import FORM, form
from tlf.serving.forms import Form
from tlf.serving.refusals import RefusedError


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_files_are_the_same_however_they_arrive(size):
    files = {"a.jpg": b"\r\n--cu\r\n-", "b.jpg": b"", "ü.jpg": bytes(range(256))}
    data, read = form(files), Form(FORM, 3)
    for start in range(0, len(data), size):
        read.write(data[start : start + size])
    assert {one.name: one.data for one in read.files()} == files


def test_what_is_no_form_says_what_to_write():
    with pytest.raises(RefusedError, match="must have a boundary; write, for example: curl -F "):
        Form("multipart/form-data", 1)
    read = Form(FORM, 1)
    with pytest.raises(RefusedError, match="it ends early"):
        read.files()
    with pytest.raises(RefusedError, match="at most 1 images, got more; send several requests"):
        read.write(form({"a": b"", "b": b""}))


def test_a_form_of_a_client_writes_nothing_to_stderr(capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])  # as outside of tests
    with pytest.raises(RefusedError):
        Form(FORM, 1).write(b"no form")
    assert capsys.readouterr().err == ""
