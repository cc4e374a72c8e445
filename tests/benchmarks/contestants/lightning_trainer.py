"""The same job with Lightning's Trainer, at its defaults; what is frozen runs without a graph and
in eval mode, as its guide to transfer learning has it. Tuned: bf16-mixed and channels-last."""

import lightning
import torch
from network import image_folders, network, sgd, training
from task import Epochs, Task, read_task
from torch.utils.data import DataLoader


class Module(lightning.LightningModule):
    """The network, and what is done with a batch."""

    def __init__(self, task: Task, classes: int) -> None:
        super().__init__()
        self.task, self.epochs, self.right, self.seen = task, Epochs(), 0, 0
        self.model = network(task, classes)
        self.layout = torch.channels_last if task.tuned else torch.contiguous_format
        self.model.to(memory_format=self.layout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.model(images.contiguous(memory_format=self.layout))

    def on_train_epoch_start(self) -> None:
        training(self.task, self.model)
        if self.current_epoch == 0:
            self.epochs.begin()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        images, labels = batch
        return torch.nn.functional.cross_entropy(self(images), labels)

    def on_validation_epoch_start(self) -> None:
        self.right = self.seen = 0

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        images, labels = batch
        self.right += int((self(images).argmax(1) == labels).sum())
        self.seen += len(labels)

    def on_validation_epoch_end(self) -> None:
        if not self.trainer.sanity_checking:
            self.epochs.end(self.right / self.seen)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return sgd(self.task, self.model)


def main() -> None:
    """Train and evaluate each epoch."""
    task = read_task()
    train, val = image_folders(task)
    trainer = lightning.Trainer(
        max_epochs=task.epochs, accelerator="cpu", default_root_dir=task.out,
        precision="bf16-mixed" if task.tuned else "32-true",
    )  # fmt: skip
    train_loader = DataLoader(train, task.batch_size, shuffle=True)
    trainer.fit(Module(task, len(train.classes)), train_loader, DataLoader(val, task.batch_size))


if __name__ == "__main__":
    main()
