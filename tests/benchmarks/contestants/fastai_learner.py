"""The same job with fastai's Learner. At its defaults BatchNorm learns in a frozen body, too.

Tuned: frozen BatchNorm keeps its statistics, channels-last, and bf16 by a callback of our own:
fastai's is for CUDA only.
"""

from functools import partial

import torch
from fastai.callback.training import BnFreeze
from fastai.data.core import DataLoaders
from fastai.learner import Callback, Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import SGD
from network import frozen_parts, image_folders, network
from task import Epochs, Task, read_task
from torch import nn


class Lines(Callback):
    """Print a line for each epoch, once it has been recorded."""

    order = 80

    def before_fit(self) -> None:
        self.epochs = Epochs()

    def after_epoch(self) -> None:
        self.epochs.end(self.learn.recorder.values[-1][-1])


class Bf16(Callback):
    """Forward and loss in bf16."""

    order = 10

    def before_fit(self) -> None:
        self.learn.model.to(memory_format=torch.channels_last)

    def before_batch(self) -> None:
        self.learn.xb = tuple(x.contiguous(memory_format=torch.channels_last) for x in self.xb)
        self.autocast = torch.autocast("cpu", torch.bfloat16)
        self.autocast.__enter__()

    def after_pred(self) -> None:
        self.autocast.__exit__(None, None, None)
        self.learn.pred = self.pred.float()


def main() -> None:
    """Train and evaluate each epoch."""
    task = read_task()
    train, val = image_folders(task)
    # By default, fastai leaves out the last, smaller batch: another job.
    loaders = DataLoaders.from_dsets(
        train, val, bs=task.batch_size, drop_last=False, device=torch.device("cpu")
    )
    model = network(task, len(train.classes)).requires_grad_()
    learner = Learner(
        loaders, model, CrossEntropyLossFlat(), partial(SGD, mom=0.9), metrics=accuracy,
        splitter=partial(groups, task), cbs=callbacks(task), path=task.out,
        train_bn=not task.tuned,
    )  # fmt: skip
    if task.frozen != "nothing":
        learner.freeze()
    learner.fit(task.epochs, task.lr)


def groups(task: Task, model: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of what is frozen, and those of the rest."""
    frozen = [p for part in frozen_parts(task, model) for p in part.parameters()]
    known = {id(p) for p in frozen}
    trainable = [p for p in model.parameters() if id(p) not in known]
    return [frozen, trainable] if frozen else [trainable]


def callbacks(task: Task) -> list[Callback]:
    """What is added."""
    tuned = [Bf16(), *([BnFreeze()] if task.frozen != "nothing" else [])]
    return [Lines(), *(tuned if task.tuned else [])]


if __name__ == "__main__":
    main()
