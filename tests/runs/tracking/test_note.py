import pytest

from tlf.errors import RunError
from tlf.runs.tracking.note import FILE, Note, read_note, write_note

TRACKER = {"kind": "mlflow", "project": "tlf"}


def test_a_note_is_found_again_by_the_same_tracker_alone(tmp_path):
    assert read_note(tmp_path, TRACKER) is None
    note = Note(TRACKER, "a1", 3)
    write_note(tmp_path, note)
    assert read_note(tmp_path, TRACKER) == note
    assert read_note(tmp_path, {**TRACKER, "project": "other"}) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tracker": {}, "id": 1}',
    '{"tracker": {}, "id": "a", "epochs": -1}', '{"tracker": {}, "id": "a", "epochs": true}',
])  # fmt: skip
def test_a_damaged_note_is_named(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=r"tracking\.json is damaged: .+; remove it"):
        read_note(tmp_path, TRACKER)
