"""The network and the images as torchvision's users write them. The plain loop, Lightning and the
Trainer share them."""

import torch
from safetensors.torch import load_file
from task import Task
from torch import nn
from torchvision import datasets, models, transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def image_folders(task: Task) -> tuple[datasets.ImageFolder, datasets.ImageFolder]:
    """The train and the val split."""
    resize = transforms.Resize(task.resize)
    scale = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    fixed = transforms.Compose([resize, transforms.CenterCrop(task.size), *scale])
    # Parts are cut from the resized image, as tlf's crop-flip does it.
    parts = [transforms.RandomResizedCrop(task.size), transforms.RandomHorizontalFlip()]
    random = transforms.Compose([resize, *parts, *scale])
    changed = random if task.augment == "crop-flip" else fixed
    return (
        datasets.ImageFolder(f"{task.data}/train", changed),
        datasets.ImageFolder(f"{task.data}/val", fixed),
    )


def network(task: Task, classes: int) -> models.ResNet:
    """ResNet-18 with the given weights; what is frozen has no gradient and stays in eval mode."""
    model = models.resnet18()
    model.fc = nn.Identity()
    model.load_state_dict(load_file(task.weights))
    torch.manual_seed(task.seed)
    model.fc = nn.Linear(512, classes)
    # tlf's start of a head. With torch's own, accuracy after one or two epochs is another.
    nn.init.normal_(model.fc.weight, std=0.01)
    nn.init.zeros_(model.fc.bias)
    for part in frozen_parts(task, model):
        part.requires_grad_(requires_grad=False)
    return model


def frozen_parts(task: Task, model: models.ResNet) -> list[nn.Module]:
    """What is frozen."""
    parts = [*model.children()]
    trainable = {"backbone": [model.fc], "layer3": [model.layer4, model.fc], "nothing": parts}
    return [part for part in parts if part not in trainable[task.frozen]]


def training(task: Task, model: models.ResNet) -> None:
    """Training mode, except for what is frozen: its BatchNorm statistics must not move."""
    model.train()
    for part in frozen_parts(task, model):
        part.eval()


def sgd(task: Task, model: nn.Module) -> torch.optim.SGD:
    """The optimizer of everything that learns."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(trainable, lr=task.lr, momentum=0.9)
