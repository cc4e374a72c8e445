"""A command prints to any stdout: closed, full, ended, or of another encoding."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from tlf.cli.stdout import guard_stdout
guard_stdout()
"""


def shell(command, **options):
    return subprocess.run(
        ["bash", "-c", command.format(tlf=f"{sys.executable} -m tlf")],
        capture_output=True, text=True, check=False, timeout=120, **options,
    )  # fmt: skip


FULL = (
    "error: stdout must take what is printed, got: No space left on device; "
    "write it to another place\n"
)


@pytest.mark.parametrize("command", ["--help", "history {run}"])
@pytest.mark.parametrize(
    ("end", "code", "error"),
    [
        (">&-", 0, ""),
        (">&- <&-", 0, ""),
        ("> /dev/full", 2, FULL),
        ("> /dev/full 2>&-", 2, ""),
        ("> /dev/full 2> /dev/full", 2, ""),
        ("| true; exit ${{PIPESTATUS[0]}}", 141, ""),
        ("2>&1 | true; exit ${{PIPESTATUS[0]}}", 141, ""),
    ],
)
def test_where_stdout_is_lost(finished, command, end, code, error):
    done = shell(f"{{tlf}} {command.format(run=finished)} {end}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", error)


@pytest.mark.parametrize(
    ("form", "end", "code", "error"),
    [
        pytest.param("table", "> /dev/full", 2, FULL, marks=pytest.mark.slow),
        pytest.param("csv", ">&-", 0, "", marks=pytest.mark.slow),
        ("csv", "> /dev/full", 2, FULL),
        ("jsonl", "| true; exit ${{PIPESTATUS[0]}}", 141, ""),
    ],
)
def test_where_the_stdout_of_predict_is_lost(finished, images, form, end, code, error):
    image = images / "val/squares/001.jpg"
    done = shell(f"{{tlf}} predict {finished} {image} --format {form} {end}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", error)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16-le", "cp437"])
def test_what_an_encoding_lacks_is_escaped(encoding):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + "print('é × … 蚁 \\udce9')"],
        capture_output=True, check=False, env={"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    expected = "é × … 蚁 \udce9\n".encode(encoding, "backslashreplace")
    assert done.stdout == expected


def test_json_is_json_in_any_encoding(tlf, finished, images, tmp_path):
    import json
    import os
    import shutil

    odd = os.fsdecode(b"caf\xe9 \xd0\xaf.jpg")
    shutil.copy(images / "val/squares/001.jpg", tmp_path / odd)
    done = tlf("predict", finished, tmp_path, "--format=jsonl", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["path"] == str(tmp_path / odd)
    schema = tlf("schema", PYTHONIOENCODING="ascii")
    assert "…" in str(json.loads(schema.stdout))


def test_no_file_of_a_run_takes_the_number_of_a_closed_stdout(tmp_path):
    text = PROGRAM + "file = open('a', 'w')\nassert file.fileno() > 2\nprint('printed', flush=True)"
    done = shell(f'{sys.executable} -c "{text}" >&- 2>&- <&-', cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "a").read_bytes() == b""


def test_the_end_of_the_reader_is_told_apart_from_a_pipe_of_the_run():
    """An OSError of anything else is not taken for one of stdout."""
    text = PROGRAM + "import os\nos.write(9, b'x')"
    done = shell(f'{sys.executable} -c "{text}" 9> /dev/full')
    assert "OSError" in done.stderr
    assert "OutputError" not in done.stderr
