"""The rows of ``gpu.py``, the most telling ones first, and how a row is printed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs import FREEZE, JOBS, Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    images: int
    """Drawn images."""
    many: int
    """Names for them, where a pass over the drawn ones would be over too soon."""
    rows: int
    """Names for small images: stored features of so many are trained on."""
    size: int
    batches: tuple[int, int]
    epochs: int | None = None
    """Instead of each job's own."""


FULL = Scale(images=4000, many=24_000, rows=200_000, size=224, batches=(32, 256))
TINY = Scale(images=24, many=48, rows=60, size=32, batches=(4, 8), epochs=1)
THAWED = FREEZE | {"gradual": '{ kind = "gradual", thaw = 1 }'}
NETWORK = {"backbone": "frozen pass", "nothing": "everything trains"}
GRADUAL = replace(JOBS["full"], title="a gradual thaw, bf16", frozen="gradual")
FULL_FIXED = replace(JOBS["full"], title="full fine-tuning, fixed transforms, bf16", augment="none")


@dataclass(frozen=True)
class Set:
    """What a row is measured on."""

    scale: Scale
    work: Path
    name: str = "images"
    """The folder of the images."""

    def rows(self, who: str, jobs: list[Job], precision: str, batch: int, **more: Any) -> list[Row]:
        """A row for each job."""
        return [self.job(who, which, precision, batch, **more) for which in jobs]

    def job(
        self, who: str, which: Job, precision: str, batch: int, *, epochs: int | None = None,
        profile: bool = False, crop_from: str = "file",
    ) -> Row:  # fmt: skip
        """One contestant's job."""
        of = "backbone" if which.frozen in ("backbone", "layer3") else "nothing"
        count = getattr(self.scale, self.name)
        title = which.title.rsplit(",", 1)[0]
        profiled = ", profiled" if profile else ""
        profiled += ", crops of resized images" if crop_from == "resized" else ""
        return {
            "row": f"{who}, {title}, {precision}, batch {batch}, {count:,} images{profiled}",
            "by": f"gpu_{who}", "alone": network_name(of, precision, batch),
            "work": {
                "frozen": which.frozen, "augment": which.augment, "lr": which.lr,
                "size": self.scale.size, "resize": self.scale.size * 256 // 224,
                "precision": precision, "batch_size": batch, "workers": 12, "profile": profile,
                "crop_from": crop_from,
                "epochs": epochs or self.scale.epochs or max(3, which.epochs),
                "data": str(self.work / self.name), "folder": str(self.work),
                "weights": str(self.work / "resnet18.safetensors"),
                "cache": str(self.work / f"cache-{self.name}"), "freeze": THAWED[which.frozen],
            },
        }  # fmt: skip


def rows(scale: Scale, work: Path, gpus: int) -> Iterator[Row]:
    """What is measured, in order."""
    small, large = scale.batches
    few, many = Set(scale, work), Set(scale, work, "many")
    features, block, fresh, full = (JOBS[n] for n in ("features", "last-block", "fresh", "full"))
    for frozen in ("backbone", "nothing"):
        yield network(frozen, "bf16", small, scale)
        yield from (network(frozen, p, large, scale) for p in ("bf16", "tf32", "float32"))
    yield few.job("tlf", features, "bf16", large)
    for by, cores in (("processes", 16), ("processes", 1), ("threads", 16)):
        yield decoding(by, cores, scale, work)
    yield nvjpeg(scale, work)
    yield from many.rows("tlf", [features, FULL_FIXED], "bf16", large, epochs=3)
    yield from many.rows("tlf", [features, FULL_FIXED], "bf16", small, epochs=3)
    yield decoding("processes", 16, scale, work, " again")
    yield cached_rows(scale, work)
    yield from few.rows("tlf", [full, fresh, block], "bf16", large)
    yield few.job("tlf", FULL_FIXED, "bf16", small, epochs=1, profile=True)
    yield from few.rows("limit", [features, full, fresh, block], "bf16", large)
    yield from few.rows("plain", [features, full, fresh], "tf32", small, epochs=2)
    yield from few.rows("tlf", [full, fresh, block], "bf16", small)
    for precision in ("tf32", "float32"):
        for who in ("tlf", "limit"):
            yield from few.rows(who, [features, full], precision, large)
    yield few.job("tlf", fresh, "bf16", large, crop_from="resized")
    yield from few.rows("limit", [features, full, fresh, block], "bf16", small)
    yield from several(few, gpus)


SEVERAL = {
    "features": "features",
    "full fine-tuning, synchronised norms": "full",
    "a gradual thaw, with the digests of every process": "gradual",
}
"""What is done by several GPUs, beside the same by one."""


def several(images: Set, gpus: int) -> Iterator[Row]:
    """The same training by all GPUs and by one: the losses, and how much faster it is.

    Two processes of the CPU rehearse it.
    """
    processes = gpus or 2
    for title, name in SEVERAL.items():
        which = GRADUAL if name == "gradual" else JOBS[name]
        for precision, batch in (("float32", images.scale.batches[0]),) + (
            (("bf16", processes * images.scale.batches[1]),) if name == "full" else ()
        ):
            row = images.job("several", which, precision, batch, epochs=2)
            who = f"{processes} {'GPUs' if gpus else 'processes'} beside one"
            row["row"] = f"{who}, {title}, {precision}, batch {batch}"
            row["work"]["processes"] = processes
            del row["alone"]
            yield {"row": row["row"], "skipped": "there is one GPU"} if gpus == 1 else row


def network_name(frozen: str, precision: str, batch: int) -> str:
    """The row of the network alone."""
    return f"network alone, {NETWORK[frozen]}, {precision}, batch {batch}"


def network(frozen: str, precision: str, batch: int, scale: Scale) -> Row:
    """The network alone."""
    return {
        "row": network_name(frozen, precision, batch), "by": "gpu_network", "needs": 5,
        "work": {"frozen": frozen, "precision": precision, "batch": batch, "size": scale.size},
    }  # fmt: skip


def cached_rows(scale: Scale, work: Path) -> Row:
    """Epochs on stored features of many images."""
    row = Set(scale, work, "rows").job("tlf", JOBS["features"], "bf16", scale.batches[1], epochs=4)
    row["work"] |= {"size": 32, "resize": 32}
    row["needs"] = 40
    del row["alone"]
    return row


def decoding(by: str, cores: int, scale: Scale, work: Path, when: str = "") -> Row:
    """Decoding and resizing alone."""
    return {
        "row": f"decoding alone, {cores} {by}{when}", "by": "gpu_decoding", "needs": 5,
        "work": {
            "by": by, "data": str(work / "images"), "cores": cores,
            "images": min(scale.images, 250 * cores), "size": scale.size,
            "resize": scale.size * 256 // 224,
        },
    }  # fmt: skip


def nvjpeg(scale: Scale, work: Path) -> Row:
    """Decoding on the device, beside Pillow's pixels."""
    return {
        "row": "decoding, nvJPEG", "by": "gpu_decoding",
        "work": {
            "by": "nvjpeg", "data": str(work / "images"), "images": 1000, "size": scale.size,
            "weights": str(work / "resnet18.safetensors"),
        },
    }  # fmt: skip


_TEXTS = {
    "seconds": "{:.1f} s", "decoding": "decoding {:.1f} s", "busy_percent": "busy {:.0f} %",
    "peak_mib": "{:,.0f} MiB", "top1": "top-1 {:.1%}", "says": "{}", "status": "status {}",
    "largest_pixel_difference": "pixels differ by at most {}",
    "largest_logit_difference": "logits by at most {:.1e} of the largest",
    "changed_labels": "{} labels change", "skipped": "skipped: {}",
    "loss_difference": "losses differ by at most {:.1e}", "alone_rate": "one GPU {:,.0f}",
    "scaling": "{:.2f} times as fast",
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
    alone = [r.get("images_per_second", 0) for r in known if r["row"] == row.get("alone")]
    if isinstance(rates, float):
        yield f"{rates:,.0f} images/s"
        return
    yield f"an epoch {_of(max(rates[1:] or rates), alone)}"
    if "frozen_pass" in row:
        yield f"the frozen pass {_of(row['frozen_pass'], alone)}"


def _of(rate: float, alone: list[float]) -> str:
    share = f", {rate / alone[0]:.0%} of the network alone" if any(alone) else ""
    return f"{rate:,.0f} images/s{share}"
