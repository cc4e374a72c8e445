"""``tlf report`` writes a page and says where."""

import subprocess
import sys

from tlf.reports.plots.write import plots_of


def test_the_page_of_a_run(main, run_copy):
    code, out, err = main("report", run_copy)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"report    {run_copy / 'report.html'}"
    html = (run_copy / "report.html").read_text(encoding="utf-8")
    assert "Nearest train images" in html


def test_less_of_it(main, finished, tmp_path):
    path = tmp_path / "page.html"
    code, out, _ = main("report", finished, "--no-images", "--no-neighbours", "--output", path)
    assert (code, out) == (0, f"report    {path}\n")
    html = path.read_text(encoding="utf-8")
    assert "<img" not in html
    assert '<p class="muted">Nearest train images' not in html


def libraries(*options):
    """What ``tlf report`` prints, and which large libraries it imports."""
    program = """
import sys
from tlf.cli.main import main
code = main()
large = {"accelerate", "pandas", "scipy", "sklearn", "timm", "torch", "torchvision"}
print(code, *sorted(large & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "report", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    *printed, (code, *found) = map(str.split, done.stdout.splitlines())
    assert code == "0", done.stderr
    return "\n".join(map(" ".join, printed)), found


def test_figures_alone_import_no_library_that_computes(finished, tmp_path):
    _, found = libraries(finished, "--no-neighbours", "--output", tmp_path / "page.html")
    assert found == []


def test_from_stored_features_no_library_that_trains_is_imported(head_copy):
    printed, found = libraries(head_copy)
    assert "stored features of 20 train images: found, computed by an earlier run" in printed
    assert "stored findings of a check of 31 images: computed once" in printed
    assert not {"accelerate", "timm", "torch", "torchvision"} & {*found}
    assert "Nearest train images" in (head_copy / "report.html").read_text(encoding="utf-8")


def test_plots_for_papers(main, finished, tmp_path, monkeypatch):
    kept = plots_of
    monkeypatch.setattr("tlf.reports.plots.write.plots_of", lambda report: [next(kept(report))])
    folder, page = tmp_path / "plots", tmp_path / "page.html"
    code, out, _ = main("report", finished, "--no-neighbours", "--output", page, "--plots", folder)
    assert (code, out) == (0, f"report    {page}\nplots     {folder}\n")
    assert sorted(path.name for path in folder.iterdir()) == ["curve-loss.png", "curve-loss.svg"]
    (tmp_path / "file").write_text("")
    code, _, err = main(
        "report", finished, "--no-neighbours", "--output", page, "--plots", tmp_path / "file"
    )
    assert code == 2
    assert err.startswith(f"error: cannot write {tmp_path / 'file'}")


def test_no_run(main, tmp_path):
    code, _, err = main("report", tmp_path)
    assert code == 2
    assert err.startswith(f"error: {tmp_path} is not the folder of a run")


def test_its_plots_for_a_paper(main, finished, tmp_path):
    plots = tmp_path / "plots"
    options = ("--no-neighbours", "--output", tmp_path / "page.html", "--plots", plots)
    code, out, _ = main("report", finished, *options)
    assert (code, out.splitlines()[-1]) == (0, f"plots     {plots}")
    assert {"confusion.png", "confusion.svg"} <= {file.name for file in plots.iterdir()}
