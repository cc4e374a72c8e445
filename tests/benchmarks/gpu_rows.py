"""The rows of ``gpu.py``, the most telling ones first, and how a row is printed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs import FREEZE, JOBS, Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    images: int
    rows: int
    """Images of the cached epochs."""
    size: int
    batches: tuple[int, int]
    epochs: int | None = None
    """Instead of each job's own."""


FULL = Scale(images=4000, rows=200_000, size=224, batches=(32, 256))
TINY = Scale(images=24, rows=60, size=32, batches=(4, 8), epochs=1)
NETWORK = {"backbone": "frozen pass", "nothing": "everything trains"}


def rows(scale: Scale, work: Path) -> Iterator[Row]:
    """What is measured, in order."""
    small, large = scale.batches

    def jobs(who: str, names: str, precision: str, batch: int, **more: Any) -> Iterator[Row]:
        return (job(who, n, precision, batch, scale, work, **more) for n in names.split())

    for frozen in ("backbone", "nothing"):
        yield network(frozen, "bf16", small, scale)
        for precision in ("bf16", "tf32", "float32"):
            yield network(frozen, precision, large, scale)
    yield from jobs("tlf", "features full fresh last-block", "bf16", large)
    for cores in (1, 4, 16):
        yield decoding("processes", cores, scale, work)
    yield decoding("threads", 16, scale, work)
    yield cached_rows(scale, work)
    yield from jobs("tlf", "features fresh full", "bf16", small)
    yield from jobs("limit", "features full fresh last-block", "bf16", large)
    yield from jobs("tlf", "full", "bf16", small, profile=True, epochs=1)
    for precision in ("tf32", "float32"):
        yield from jobs("tlf", "features-float32 full-float32", precision, large)
        yield from jobs("limit", "features-float32 full-float32", precision, large)
    yield from jobs("plain", "features full fresh", "tf32", small, epochs=2)
    yield from jobs("tlf", "last-block", "bf16", small)
    yield from jobs("limit", "features full fresh last-block", "bf16", small)
    yield {
        "row": "decoding, nvJPEG", "by": "gpu_decoding",
        "work": {"by": "nvjpeg", "data": str(work / "images"), "images": 1000},
    }  # fmt: skip


def network(frozen: str, precision: str, batch: int, scale: Scale) -> Row:
    """The network alone."""
    return {
        "row": f"network alone, {NETWORK[frozen]}, {precision}, batch {batch}",
        "by": "gpu_network", "needs": 5,
        "work": {"frozen": frozen, "precision": precision, "batch": batch, "size": scale.size},
    }  # fmt: skip


def job(
    who: str, name: str, precision: str, batch: int, scale: Scale, work: Path, *,
    epochs: int | None = None, profile: bool = False,
) -> Row:  # fmt: skip
    """One of the jobs of ``compare.py``."""
    which: Job = JOBS[name]
    of = "nothing" if which.frozen == "nothing" else "backbone"
    alone = f"network alone, {NETWORK[of]}, {precision}, batch {batch}"
    given = {
        "frozen": which.frozen, "augment": which.augment, "lr": which.lr, "size": scale.size,
        "resize": scale.size * 256 // 224, "precision": precision, "batch_size": batch,
        "epochs": epochs or scale.epochs or max(3, which.epochs), "workers": 12,
        "data": str(work / "images"), "out": str(work),
        "weights": str(work / "resnet18.safetensors"),
    }  # fmt: skip
    if who == "tlf":
        given |= {
            "batch": batch, "freeze": FREEZE[which.frozen], "folder": str(work),
            "cache": str(work / f"cache-{name}-{precision}-{batch}"), "profile": profile,
        }  # fmt: skip
    return {
        "row": f"{who}, {which.title.rsplit(',', 1)[0]}, {precision}, batch {batch}",
        "by": f"gpu_{who}", "alone": alone, "work": given,
    }  # fmt: skip


def cached_rows(scale: Scale, work: Path) -> Row:
    """Epochs on stored features of many images."""
    row = job("tlf", "features", "bf16", scale.batches[1], scale, work, epochs=4)
    row["row"] = f"tlf, cached epochs of {scale.rows:,} images, bf16, batch {scale.batches[1]}"
    row["work"] |= {"data": str(work / "rows"), "size": 32, "resize": 32}
    row["needs"] = 45
    del row["alone"]
    return row


def decoding(by: str, cores: int, scale: Scale, work: Path) -> Row:
    """Decoding and resizing alone."""
    return {
        "row": f"decoding alone, {cores} {by}", "by": "gpu_decoding", "needs": 5,
        "work": {
            "by": by, "data": str(work / "images"), "cores": cores,
            "images": min(scale.images, 250 * cores), "size": scale.size,
            "resize": scale.size * 256 // 224,
        },
    }  # fmt: skip


_TEXTS = {
    "seconds": "{:.1f} s", "decoding": "decoding {:.1f} s", "busy_percent": "busy {:.0f} %",
    "peak_mib": "{:,.0f} MiB", "top1": "top-1 {:.1%}", "says": "{}", "status": "status {}",
    "largest_pixel_difference": "pixels differ by at most {}",
}  # fmt: skip


def line(row: Row, known: list[Row]) -> str:
    """A row for a person."""
    parts = [row["error"]] if "error" in row else [*_rate(row, known)]
    parts += [text.format(row[key]) for key, text in _TEXTS.items() if key in row]
    for title, (count, seconds) in row.get("parts", {}).items():
        if seconds:
            parts.append(f"{title}: {count / seconds:,.0f}/s")
    if "epoch_seconds" in row:
        parts.append("epochs " + " ".join(f"{s:.2f}" for s in row["epoch_seconds"][:6]) + " s")
    text = f"{row['at']:6.1f}  {row['row']}: {', '.join(parts)}"
    return "\n".join([text, *(row[k] for k in ("profile", "profile_cpu") if k in row)])


def _rate(row: Row, known: list[Row]) -> Iterator[str]:
    rates = row.get("images_per_second")
    if rates is None:
        return
    rate = max(rates[1:] or rates) if isinstance(rates, list) else rates
    yield f"{rate:,.0f} images/s"
    for alone in known:
        if alone["row"] == row.get("alone") and "images_per_second" in alone:
            yield f"{rate / alone['images_per_second']:.0%} of memory"
