"""The tutorial's loop in a warm process, with the network on the device; float32 as torch has
it."""

import time
from dataclasses import fields
from pathlib import Path

import torch
from network import image_folders, network, sgd, training
from task import Task
from torch.utils.data import DataLoader
from warm import Work, device, serve, synchronize, watched


def main(work: Work) -> Work:
    """Seconds of the epochs."""
    known = {f.name: work[f.name] for f in fields(Task) if f.name in work}
    paths = {"data": Path(work["data"]), "weights": Path(work["weights"]), "out": Path()}
    task = Task(**{**known, **paths})
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = False, True
    train, val = image_folders(task)
    loading = {"batch_size": task.batch_size, "num_workers": task.workers, "pin_memory": True}
    train_loader, val_loader = (
        DataLoader(train, shuffle=True, **loading),
        DataLoader(val, **loading),
    )
    model = network(task, len(train.classes)).to(device())
    criterion, optimizer = torch.nn.CrossEntropyLoss(), sgd(task, model)
    epochs, rates = [], []
    with watched() as figures:
        for _ in range(task.epochs):
            began = time.perf_counter()
            training(task, model)
            for images, labels in train_loader:
                optimizer.zero_grad()
                loss = criterion(model(images.to(device())), labels.to(device()))
                loss.backward()
                optimizer.step()
            synchronize()
            rates.append(len(train) / (time.perf_counter() - began))
            model.eval()
            right = 0
            with torch.no_grad():
                for images, labels in val_loader:
                    found = model(images.to(device())).argmax(1)
                    right += int((found == labels.to(device())).sum())
            epochs.append(time.perf_counter() - began)
    return {
        "seconds": sum(epochs), "epoch_seconds": epochs, "images_per_second": rates,
        "top1": right / len(val), **figures,
    }  # fmt: skip


if __name__ == "__main__":
    serve(main)
