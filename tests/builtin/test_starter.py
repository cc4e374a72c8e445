"""The embedded ants and bees: the folder they are kept in, and how they are drawn."""

import hashlib
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image

from tlf.builtin.starter.clutter import over, under
from tlf.builtin.starter.dataset import Starter
from tlf.builtin.starter.grounds import GROUNDS, ground
from tlf.builtin.starter.insects import INSECTS, ant, bee, coat
from tlf.builtin.starter.paint import Light, cast_shadow, paint
from tlf.builtin.starter.parts import Bead, Film, Limb, Skin, bent, extent, turn
from tlf.builtin.starter.portrait import portrait
from tlf.errors import DataError

BUILD = "from tlf.builtin.starter.dataset import Starter; Starter().build()"
NOON = Light(np.array([0.0, 0.0, 1.0]), ambient=0.5, shadow=0.6, softness=2.0)
PLAIN = Skin((200, 100, 50), (20, 20, 20), gloss=0.0, mottle=0.0)


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A cache in which a first writing was killed half-way, and what it had left there."""
    cache = tmp_path_factory.mktemp("cache")
    writing = subprocess.Popen(
        [sys.executable, "-c", BUILD], env=os.environ | {"TLF_CACHE": str(cache)}
    )
    wait_until(lambda: len(list(cache.rglob("*.jpg"))) > 5)
    writing.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    writing.wait()
    return cache, [path.name for path in cache.iterdir()]


@pytest.fixture(scope="module")
def built():
    """The cache of all tests, with the images: they take seconds to draw."""
    return Path(os.environ["TLF_CACHE"]), Starter().build()


@pytest.fixture(scope="module")
def drawings(built):
    """Split name → (images, labels)."""
    _, splits = built
    return {
        name: (
            [Image.open(io.BytesIO(split.read(k))) for k in range(len(split))],
            list(split.labels),
        )
        for name, split in (("train", splits.train), ("val", splits.eval))
    }


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A cache of its own, and images that take no time."""
    monkeypatch.setenv("TLF_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "tlf.builtin.starter.portrait.portrait", lambda *which: repr(which).encode()
    )
    return tmp_path


# The folder


def test_killed_writing_leaves_nothing_under_the_final_name(killed):
    _, left = killed
    assert "starter-v1" not in left
    assert left


def test_next_build_repairs_a_killed_one(killed, quick, monkeypatch):
    cache, _ = killed
    monkeypatch.setenv("TLF_CACHE", str(cache))
    splits = Starter().build()
    assert len(list((cache / "starter-v1").rglob("*.jpg"))) == 397
    assert len(splits.train) + len(splits.eval) == 397


def test_counts_and_classes(built):
    _, splits = built
    assert splits.classes == ("ants", "bees")
    assert [list(splits.train.labels).count(k) for k in (0, 1)] == [123, 121]
    assert [list(splits.eval.labels).count(k) for k in (0, 1)] == [70, 83]


def test_labels_agree_with_the_folders(built):
    _, splits = built
    for split, name in ((splits.train, "train"), (splits.eval, "val")):
        for path, label in zip(split.names, split.labels, strict=True):
            assert Path(path).parts[-3:-1] == (name, splits.classes[label])


def test_no_image_comes_twice(built):
    _, splits = built
    digests = {
        hashlib.sha256(s.read(k)).digest()
        for s in (splits.train, splits.eval)
        for k in range(len(s))
    }
    assert len(digests) == 397


def test_another_process_draws_the_same_bytes_in_another_order(built, tmp_path):
    cache, _ = built
    draw = (
        "import sys; from pathlib import Path; from tlf.builtin.starter.portrait import portrait\n"
        "for number in range(60, 0, -7):\n"
        "    for split in ('val', 'train'):\n"
        "        for name in ('bees', 'ants'):\n"
        "            file = Path(sys.argv[1], split, name, f'{number:04d}.jpg')\n"
        "            file.parent.mkdir(parents=True, exist_ok=True)\n"
        "            file.write_bytes(portrait(split, name, number))\n"
    )
    env = os.environ | {"TLF_CACHE": str(tmp_path / "other"), "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", draw, str(tmp_path)], env=env, check=True)
    drawn = sorted(tmp_path.rglob("*.jpg"))
    assert len(drawn) == 36
    for file in drawn:
        kept = cache / "starter-v1" / file.relative_to(tmp_path)
        assert file.read_bytes() == kept.read_bytes(), file


def test_second_build_draws_nothing(built, monkeypatch):
    cache, first = built
    monkeypatch.setenv("TLF_CACHE", str(cache))
    monkeypatch.setattr(
        "tlf.builtin.starter.portrait.portrait", lambda *_: pytest.fail("drew an image")
    )
    second = Starter().build()
    assert second.train.names == first.train.names
    assert second.eval.names == first.eval.names


def test_each_cache_gets_the_same_tree(quick, monkeypatch):
    Starter().build()
    monkeypatch.setenv("TLF_CACHE", str(quick / "second"))
    Starter().build()
    trees = [
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*.jpg")}
        for root in (quick / "starter-v1", quick / "second" / "starter-v1")
    ]
    assert trees[0] == trees[1]
    assert len(trees[0]) == 397


def test_reading_survives_pickling(quick):
    split = Starter().build().eval
    assert pickle.loads(pickle.dumps(split.read))(3) == split.read(3) == b"('val', 'ants', 4)"


def test_nothing_is_left_beside_the_folder(quick):
    Starter().build()
    assert [path.name for path in quick.iterdir()] == ["starter-v1"]


def test_old_leftovers_are_swept_and_young_ones_left_alone(quick):
    old, young = quick / ".starter-v1.old", quick / ".starter-v1.young"
    for folder in (old, young):
        (folder / "train").mkdir(parents=True)
    os.utime(old, (0, 0))
    Starter().build()
    assert not old.exists()
    assert young.exists()


def test_two_processes_may_draw_at_once(quick, monkeypatch):
    def meanwhile(*_):
        # Another process finishes while this one is at its first image.
        monkeypatch.setattr("tlf.builtin.starter.portrait.portrait", lambda *_: b"the other's")
        Starter().build()
        return b"mine"

    monkeypatch.setattr("tlf.builtin.starter.portrait.portrait", meanwhile)
    splits = Starter().build()
    assert splits.train.read(0) == b"the other's"
    assert [path.name for path in quick.iterdir()] == ["starter-v1"]


def test_a_image_that_was_removed_is_named(quick):
    Starter().build()
    gone = quick / "starter-v1" / "val" / "bees" / "0007.jpg"
    gone.unlink()
    with pytest.raises(DataError, match=r"val/bees/0007\.jpg|val\\bees\\0007\.jpg") as error:
        Starter().build()
    assert f"remove the folder {quick / 'starter-v1'}" in str(error.value)


def test_a_full_disk_is_reported_and_cleaned_up(quick, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tlf.builtin.starter.portrait.portrait", full)
    with pytest.raises(DataError, match="No space left on device; set TLF_CACHE"):
        Starter().build()
    assert list(quick.iterdir()) == []


# The images


def test_every_file_decodes_to_a_color_jpeg(drawings):
    for images, _ in drawings.values():
        for image in images:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")


def test_sizes_vary(drawings):
    sizes = [image.size for images, _ in drawings.values() for image in images]
    shorter = [min(size) for size in sizes]
    assert min(shorter) >= 120
    assert max(shorter) <= 260
    assert np.std(shorter) > 30
    assert sum(w > h for w, h in sizes) > 100
    assert sum(w < h for w, h in sizes) > 60


@pytest.mark.parametrize(
    "figure",
    [
        lambda image: np.asarray(image).reshape(-1, 3).mean(axis=0),
        lambda image: np.asarray(image).reshape(-1, 3).std(axis=0),
        lambda image: np.array(image.size),
    ],
    ids=["mean color", "contrast", "size"],
)
def test_simple_figures_say_nothing_about_the_class(drawings, figure):
    (seen, labels), (unseen, truth) = (
        (np.array([figure(image) for image in images]), np.array(known))
        for images, known in drawings.values()
    )
    spread = seen.std(axis=0)
    means = np.array([seen[labels == k].mean(axis=0) for k in (0, 1)])
    distance = (((unseen[:, None] - means) / spread) ** 2).sum(axis=2)
    right = (distance.argmin(axis=1) == truth).mean()
    # Three standard deviations of a coin thrown 153 times.
    assert abs(right - 0.5) < 0.125


def test_images_are_neither_flat_nor_clipped(drawings):
    for images, _ in drawings.values():
        for image in images:
            grey = np.asarray(image.convert("L"))
            assert grey.std() > 5
            assert ((grey == 0) | (grey == 255)).mean() < 0.6


def test_class_split_and_number_each_make_another_image():
    ways = [("train", "ants", 1), ("val", "ants", 1), ("train", "bees", 1), ("train", "ants", 2)]
    assert len({portrait(*way) for way in ways}) == 4


# The insects


def width_at(parts, x):
    """How wide the body (beads alone) is across ``x``, seen from above."""
    edges = [bead.outline() for bead in parts if isinstance(bead, Bead)]
    across = [edge for edge in edges if edge[:, 0].min() <= x <= edge[:, 0].max()]
    return max((np.ptp(edge[:, 1]) for edge in across), default=0.0)


@pytest.mark.parametrize("seed", range(5))
def test_an_ant_has_a_thin_waist_and_a_bee_has_none(seed):
    ants, bees = (build(default_rng(seed), coat(default_rng(seed))) for build in (ant, bee))
    places = np.linspace(-0.22, 0.1, 60)
    ant_waist = min(width_at(ants, x) for x in places)
    bee_waist = min(width_at(bees, x) for x in places)
    assert 0 < ant_waist < 0.12
    assert bee_waist > 0.25


@pytest.mark.parametrize("seed", range(5))
def test_six_legs_two_antennae(seed):
    for build, other_limbs in ((ant, 2), (bee, 0)):
        parts = build(default_rng(seed), coat(default_rng(seed)))
        assert sum(isinstance(part, Limb) for part in parts) == 6 + 2 + other_limbs


def test_every_bee_has_four_wings_and_hardly_an_ant_any():
    winged = {
        name: [
            sum(isinstance(p, Film) for p in build(default_rng(k), coat(default_rng(k))))
            for k in range(60)
        ]
        for name, build in INSECTS.items()
    }
    assert set(winged["bees"]) == {4}
    assert sum(count > 0 for count in winged["ants"]) <= 6


# Parts and paint


def test_turns_keep_lengths_and_hands():
    for seed in range(5):
        matrix = turn(*default_rng(seed).uniform(-3, 3, 3))
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)


def test_bending_leaves_the_joint_where_it_is():
    limb = Limb(np.array([[0.2, 0.1, 0.0], [1.0, 0.0, 0.0]]), (0.1, 0.1), (0, 0, 0))
    (moved,) = bent([limb], (0.2, 0.1, 0.0), turn(1.0, 0.5))
    np.testing.assert_allclose(moved.points[0], limb.points[0], atol=1e-12)
    assert np.abs(moved.points[1] - limb.points[1]).max() > 0.1


def tilted_bead(center):
    return Bead(np.array(center), turn(0.7, 0.4, 1.1) @ np.diag([18.0, 9.0, 6.0]), PLAIN)


def test_the_outline_of_a_bead_encloses_its_surface_tightly():
    bead = tilted_bead((0, 0, 0))
    on = default_rng(0).normal(size=(20000, 3))
    surface = on / np.linalg.norm(on, axis=1, keepdims=True) @ bead.axes.T
    # The support of the flat shadow in any direction is that of its edge.
    for angle in np.linspace(0, np.pi, 7):
        way = np.array([np.cos(angle), np.sin(angle)])
        edge, points = (bead.outline() @ way).max(), (surface[:, :2] @ way).max()
        assert edge == pytest.approx(points, rel=0.03)


def test_a_bead_is_painted_where_rays_meet_it():
    bead = tilted_bead((30, 28, 0))
    canvas = Image.new("RGB", (60, 60), (0, 0, 255))
    paint(canvas, [bead], NOON, default_rng(0))
    painted = np.asarray(canvas)[..., 2] != 255
    # A ray meets an ellipsoid where the flat shape matrix says so.
    shape = np.linalg.inv(bead.axes[:2] @ bead.axes[:2].T)
    y, x = np.mgrid[:60, :60]
    offset = np.stack([x - 30, y - 28], axis=-1)
    inside = np.einsum("hwi,ij,hwj->hw", offset, shape, offset) < 1
    assert (painted != inside).mean() < 0.002
    assert inside.sum() > 300


def test_the_nearer_bead_hides_the_farther_one():
    near = Bead(np.array([20.0, 20, 30]), np.eye(3) * 6, Skin((255, 0, 0), (255, 0, 0), mottle=0))
    far = Bead(np.array([20.0, 20, 0]), np.eye(3) * 12, Skin((0, 255, 0), (0, 255, 0), mottle=0))
    for parts in ([near, far], [far, near]):
        canvas = Image.new("RGB", (40, 40))
        paint(canvas, list(parts), NOON, default_rng(0))
        red, green, _ = canvas.getpixel((17, 20))
        assert red > 2 * green
        red, green, _ = canvas.getpixel((29, 20))
        assert green > 2 * red


def test_the_side_towards_the_lamp_is_brighter():
    lamp = Light(np.array([-0.6, 0.0, 0.8]), ambient=0.2, shadow=0.5, softness=2.0)
    canvas = Image.new("RGB", (40, 40))
    paint(canvas, [Bead(np.array([20.0, 20, 0]), np.eye(3) * 15, PLAIN)], lamp, default_rng(0))
    assert canvas.getpixel((10, 20))[0] > 1.5 * canvas.getpixel((30, 20))[0]


def test_a_shadow_falls_away_from_the_lamp():
    lamp = Light(np.array([-0.6, 0.0, 0.8]), ambient=0.2, shadow=0.7, softness=3.0)
    canvas = Image.new("RGB", (120, 80), (200, 200, 200))
    cast_shadow(canvas, [Bead(np.array([50.0, 40, 0]), np.eye(3) * 12, PLAIN)], lamp, 30)
    grey = np.asarray(canvas.convert("L")).astype(int)
    _, x = np.nonzero(grey < 150)
    assert x.mean() == pytest.approx(50 + 30 * 0.6 / 0.8, abs=3)


def test_what_lies_outside_the_image_is_no_error():
    canvas = Image.new("RGB", (50, 50), (9, 9, 9))
    parts = ant(default_rng(0), coat(default_rng(0)))
    paint(
        canvas,
        [p.moved(np.eye(3) * 40, np.array([-300.0, 0, 0])) for p in parts],
        NOON,
        default_rng(0),
    )
    assert canvas.getcolors() == [(2500, (9, 9, 9))]


@pytest.mark.parametrize("painter", GROUNDS, ids=lambda painter: painter.__name__)
def test_grounds_fill_their_square_and_vary(painter):
    one, two = (painter(default_rng(seed), 90) for seed in (1, 2))
    assert one.size == (90, 90)
    assert one.mode == "RGB"
    assert one.tobytes() != two.tobytes()


def test_a_turned_ground_reaches_every_corner():
    for seed in range(8):
        image = ground(default_rng(seed), (160, 100))
        corners = {image.getpixel(at) for at in ((0, 0), (159, 0), (0, 99), (159, 99))}
        assert image.size == (160, 100)
        assert (90, 84, 76) not in corners


def test_clutter_comes_in_all_kinds_and_within_reach():
    things = [
        t for k in range(60) for place in (under, over) for t in place(default_rng(k), (300, 200))
    ]
    kinds = {type(part) for thing in things for part in thing}
    assert kinds == {Bead, Limb, Film}
    for thing in things:
        low, high = extent(thing)
        assert (high > -200).all()
        assert (low < 500).all()
