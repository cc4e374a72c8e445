"""The loop of the well-known transfer learning tutorial in plain PyTorch and torchvision, float32.
It differs in one thing: what is frozen is in eval mode, and its BatchNorm keeps its statistics."""

import copy

import torch
from network import image_folders, network, sgd, training
from safetensors.torch import save_file
from task import Epochs, read_task
from torch.utils.data import DataLoader


def main() -> None:
    """Train, evaluate each epoch, and keep the best epoch's weights."""
    task = read_task()
    train, val = image_folders(task)
    loading = {"batch_size": task.batch_size, "num_workers": task.workers}
    train_loader = DataLoader(train, shuffle=True, **loading)
    val_loader = DataLoader(val, **loading)
    model = network(task, len(train.classes))
    criterion, optimizer = torch.nn.CrossEntropyLoss(), sgd(task, model)
    best, kept = -1.0, {}
    epochs = Epochs()
    for _ in range(task.epochs):
        training(task, model)
        for images, labels in train_loader:
            optimizer.zero_grad()
            criterion(model(images), labels).backward()
            optimizer.step()
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in val_loader:
                right += int((model(images).argmax(1) == labels).sum())
        if right / len(val) > best:
            best, kept = right / len(val), copy.deepcopy(model.state_dict())
        epochs.end(right / len(val))
    save_file(kept, task.out / "model.safetensors")


if __name__ == "__main__":
    main()
