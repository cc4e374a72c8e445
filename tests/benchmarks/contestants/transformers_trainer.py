"""The same job with the Trainer of transformers, at its defaults but for the batch size and the
optimizer, which are the job's. Tuned: bf16 and channels-last; without checkpoints, which it cannot
store then."""

import torch
from network import image_folders, network, sgd, training
from task import Epochs, Task, read_task
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments


class Model(nn.Module):
    """The network as the Trainer wants it: images and labels → loss and logits."""

    def __init__(self, task: Task, classes: int) -> None:
        super().__init__()
        self.task, self.network = task, network(task, classes)
        self.layout = torch.channels_last if task.tuned else torch.contiguous_format
        self.network.to(memory_format=self.layout)

    def train(self, mode: bool = True) -> "Model":
        super().train(mode)
        if mode:
            training(self.task, self.network)
        return self

    def forward(self, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.network(pixels.contiguous(memory_format=self.layout))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Lines(TrainerCallback):
    """Print a line for each epoch."""

    def on_train_begin(self, args, state, control, **_) -> None:
        self.epochs = Epochs()

    def on_evaluate(self, args, state, control, metrics, **_) -> None:
        self.epochs.end(metrics["eval_top1"])


def main() -> None:
    """Train and evaluate each epoch."""
    task = read_task()
    train, val = image_folders(task)
    model = Model(task, len(train.classes))
    arguments = TrainingArguments(
        output_dir=str(task.out), num_train_epochs=task.epochs, use_cpu=True, seed=task.seed,
        per_device_train_batch_size=task.batch_size, per_device_eval_batch_size=task.batch_size,
        eval_strategy="epoch", remove_unused_columns=False, bf16=bool(task.tuned),
        save_strategy="no" if task.tuned else "steps",
    )  # fmt: skip
    optimizer = sgd(task, model)
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    Trainer(
        model, arguments, collate, train, val, callbacks=[Lines()],
        compute_metrics=lambda p: {"top1": float((p.predictions.argmax(1) == p.label_ids).mean())},
        optimizers=(optimizer, constant),
    ).train()  # fmt: skip


def collate(samples: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    """Images and labels → a batch."""
    images, labels = zip(*samples, strict=True)
    return {"pixels": torch.stack(images), "labels": torch.tensor(labels)}


if __name__ == "__main__":
    main()
