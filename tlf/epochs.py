"""Epochs as lines, for a person."""

from collections.abc import Iterable, Iterator

from tlf.results import EpochResult


def epoch_line(result: EpochResult, width: int = 0) -> str:
    """The line that stays of an epoch. ``width`` is that of the longest name of a phase."""
    return (
        f"{result.phase:<{width}} {result.epoch + 1:>3}  "
        f"loss {result.train_loss:.4f} train, {result.eval_loss:.4f} eval  "
        f"top-1 {result.eval_top1:6.2%}  "
        f"{result.images_per_second:.0f} pictures/s  {result.seconds:.1f} s"
    )


def history_lines(results: Iterable[EpochResult]) -> Iterator[str]:
    """Epochs as lines under a header."""
    history = list(results)
    width = max([len("phase"), *(len(result.phase) for result in history)])
    yield (
        f"{'phase':<{width}}  epoch  train loss  eval loss    top-1        lr  pictures/s  seconds"
    )
    for one in history:
        yield (
            f"{one.phase:<{width}}  {one.epoch + 1:5}  {one.train_loss:10.4f}  "
            f"{one.eval_loss:9.4f}  {one.eval_top1:7.2%}  {one.lr:8.2e}  "
            f"{one.images_per_second:10.0f}  {one.seconds:7.1f}"
        )
