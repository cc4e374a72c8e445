"""fixes.csv is read as it was written; what is wrong with one: ``test_fixes.py``."""

import pytest

from tlf.data.fixes_file import COLUMNS, Fix, read_fixes, write_fixes
from tlf.errors import UnwritableError


def test_what_is_written_is_read(tmp_path):
    rows = [Fix("train", "a b.jpg", "ant", "bee", "", 'says "bee", twice'),
            Fix("eval", "c.jpg", "bee", leave_out="yes", reason="line\nend")]  # fmt: skip
    write_fixes(tmp_path / "fixes.csv", rows)
    assert (tmp_path / "fixes.csv").read_text(encoding="utf-8").startswith(",".join(COLUMNS) + "\n")
    assert [fix.path for fix in read_fixes(str(tmp_path / "fixes.csv")).values()] == [
        "a b.jpg", "c.jpg"
    ]  # fmt: skip
    with pytest.raises(UnwritableError, match="cannot write"):
        write_fixes(tmp_path / "none" / "fixes.csv", rows)
