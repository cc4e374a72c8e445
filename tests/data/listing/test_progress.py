"""A listing that takes long says how far it is, to whoever asks."""

from tlf.builtin.csv_file.dataset import Csv
from tlf.builtin.folder import Folder
from tlf.data.listing import progress
from tlf.data.listing.progress import listing_reported, report_listed


def test_a_sentence_is_reported_some_seconds_apart(monkeypatch):
    now, reported = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with listing_reported(reported.append):
        for second in range(26):
            now[0] = float(second)
            report_listed("train", 1000 * (second + 1), second + 1, 100)
        report_listed("val", 7, 1, 2)
    report_listed("train", 1, 1, 1)  # nobody asks
    assert reported == [
        "listing train: 11,000 images, 1,100/s, 1 min 21 s left",
        "listing train: 21,000 images, 1,050/s, 1 min 15 s left",
    ]


def test_a_folder_tells_of_its_class_folders(images, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    reported: list[str] = []
    with listing_reported(reported.append):
        Folder(str(images)).build()
    assert [line.split(" images")[0] for line in reported] == [
        "listing train: 10", "listing train: 20", "listing val: 6", "listing val: 11",
    ]  # fmt: skip


def test_a_table_tells_of_the_files_that_it_has_looked_for(images, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    names = sorted(path.relative_to(images) for path in images.glob("train/*/*.jpg"))
    table = tmp_path / "table.csv"
    table.write_text("path,label\n" + "".join(f"{name},{name.parent.name}\n" for name in names))
    told: list[str] = []
    with listing_reported(told.append):
        Csv(str(table), root=str(images)).build()
    assert [line.split("/s")[0].split(", ")[0] for line in told[:2]] == [
        "listing images: 1 images", "listing images: 2 images",
    ]  # fmt: skip
    assert len(told) == len(names)
