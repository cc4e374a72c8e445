"""The page in a real Chromium, with onnxruntime-web of npm: it gives what ``tlf predict`` gives."""

import json
import shutil
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

import tlf as package
from browsers import needs_axe
from places import ROOT
from prepared_images import image
from small import needs_onnx
from tlf.exports.preprocessing.difference import FLOAT32

pytestmark = [pytest.mark.slow, needs_onnx]

ORT = "onnxruntime-web@1.30.0"
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""What the page needs of it."""
EXACT = 1e-3
"""By how much a probability may differ where the browser decodes the same pixels."""
DROP = """
const [bytes, name, done] = arguments;
const data = new DataTransfer();
data.items.add(new File([new Uint8Array(bytes)], name));
document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}));
done();
"""


class Quiet(SimpleHTTPRequestHandler):
    """A web server like ``python -m http.server``, without its log."""

    def log_message(self, *args): ...


@pytest.fixture(scope="module")
def onnxruntime_web(tmp_path_factory):
    """A folder with the files of onnxruntime-web."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: apt-get install npm")
    folder = tmp_path_factory.mktemp("npm")
    done = subprocess.run(
        [npm, "pack", ORT, "--silent"],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot fetch {ORT}: {done.stderr.strip():.300}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for name in FILES:
            (folder / name).write_bytes(archive.extractfile(f"package/dist/{name}").read())
    return folder


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    """A run, exported with its preprocessing."""
    folder = tmp_path_factory.mktemp("exported") / "run"
    shutil.copytree(finished, folder)
    package.export(folder, "onnx", with_preprocessing=True)
    return folder


@pytest.fixture(scope="module")
def folder(run, onnxruntime_web, tmp_path_factory):
    """The page, its model and onnxruntime-web in one folder."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "tlf" / "exports" / "browser", folder, dirs_exist_ok=True)
    shutil.copy(run / "exports" / "model.preprocessing.onnx", folder / "model.onnx")
    for name in FILES:
        shutil.copy(onnxruntime_web / name, folder)
    return folder


@pytest.fixture(scope="module")
def site(folder):
    """The address of that folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def opened(browser, site):
    browser.driver.get("about:blank")
    browser.requests(), browser.complaints()
    browser.driver.get(f"{site}/index.html")
    assert said(browser, "The model is ready. It knows 2 labels.")
    return browser


def said(browser, text):
    return browser.shown("document.getElementById('status').textContent", text) == text


def probabilities(browser):
    """Label → probability, as the page shows them."""
    cells = "[row.cells[0].textContent, Number(row.cells[1].dataset.probability)]"
    rows = "[...document.querySelectorAll('#probabilities tr')]"
    return dict(browser.do(f"return {rows}.map((row) => {cells})"))


def check_file(browser, classifier, path, tolerance):
    """Choose a file on the page; the page shows what ``tlf predict`` gives."""
    browser.one("#file").send_keys(str(path))
    assert said(browser, f"{path.name} is classified.")
    expected = classifier.predict(path)
    assert probabilities(browser) == pytest.approx(expected.probabilities, abs=tolerance)
    if abs(expected.probability - 0.5) > tolerance:
        assert browser.texts("#predicted") == [expected.label]


def test_png_is_exact_and_jpeg_nearly(opened, run, images, tmp_path):
    classifier = package.load_classifier(run)
    jpegs = sorted((images / "val").glob("*/*.jpg"))
    for path in jpegs[::3]:
        check_file(opened, classifier, path, FLOAT32.largest)
        png = tmp_path / f"{path.stem}.png"
        Image.open(path).save(png)
        check_file(opened, classifier, png, EXACT)
    for height, width in [(1, 1), (1, 150), (90, 1), (1500, 2000)]:
        png = tmp_path / f"{height}x{width}.png"
        Image.fromarray(image(classifier.preprocessing, height, width)).save(png)
        check_file(opened, classifier, png, EXACT)


def test_orientation_grey_and_transparency(opened, run, images, tmp_path):
    classifier = package.load_classifier(run)
    whole = Image.open(next((images / "val" / "circles").iterdir()))
    exif = Image.Exif()
    exif[0x0112] = 6
    whole.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    check_file(opened, classifier, tmp_path / "turned.jpg", FLOAT32.largest)
    whole.convert("L").save(tmp_path / "grey.png")
    check_file(opened, classifier, tmp_path / "grey.png", EXACT)
    alpha = Image.fromarray(np.linspace(0, 255, whole.width).astype("u1")[None].repeat(8, 0))
    whole.putalpha(alpha.resize(whole.size))
    whole.save(tmp_path / "alpha.png")  # a canvas rounds products with alpha: a grey level or two
    check_file(opened, classifier, tmp_path / "alpha.png", FLOAT32.largest)


def test_a_dropped_image_is_classified(opened, run, images):
    path = next((images / "val" / "squares").iterdir())
    opened.driver.execute_async_script(DROP, [*path.read_bytes()], path.name)
    assert said(opened, f"{path.name} is classified.")
    expected = package.load_classifier(run).predict(path).probabilities
    assert probabilities(opened) == pytest.approx(expected, abs=FLOAT32.largest)


def test_one_thread_and_nothing_from_elsewhere(opened, site):
    assert opened.do("return window.crossOriginIsolated") is False
    asked = [url for url in opened.requests() if not url.startswith(("blob:", "data:", "about:"))]
    assert {url.removeprefix(f"{site}/") for url in asked} == {
        "index.html", "page.css", "page.js", "classifier.js", "model.onnx", *FILES,
    }  # fmt: skip
    assert opened.complaints() == []


def test_what_is_no_image_is_said(opened, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    opened.one("#file").send_keys(str(tmp_path / "text.png"))
    assert said(opened, "Error: text.png cannot be read as an image")
    Image.new("RGB", (1, 20_000)).save(tmp_path / "long.png")
    opened.one("#file").send_keys(str(tmp_path / "long.png"))
    assert said(opened, "Error: 1 × 20000 pixels: a side must have 16384 at most")


def test_a_model_that_takes_prepared_images_is_said(opened, folder):
    import onnx

    model = onnx.load(folder / "model.onnx")
    about = json.loads(model.metadata_props[0].value)
    del about["with_preprocessing"]
    model.metadata_props[0].value = json.dumps(about)
    onnx.save(model, folder / "prepared.onnx")
    found = opened.driver.execute_async_script(
        "const done = arguments[0];"
        "import('./classifier.js').then(({ loadClassifier }) => loadClassifier('prepared.onnx'))"
        ".catch((error) => done(error.message))"
    )
    assert found == "prepared.onnx takes prepared images; export it with --with-preprocessing"


@needs_axe
def test_axe_finds_nothing_serious(opened):
    assert opened.serious_faults() == []
