"""The network and the images as users of torchvision and timm write them. The plain loop, Lightning
and the Trainer share them."""

import torch
from safetensors.torch import load_file
from task import Task
from torch import nn
from torchvision import datasets, models, transforms

RESNET18 = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "bilinear"


def image_folders(task: Task) -> tuple[datasets.ImageFolder, datasets.ImageFolder]:
    """The train and the val split."""
    mean, std, interpolation = preparation(task)
    resize = transforms.Resize(task.resize, transforms.InterpolationMode(interpolation))
    scale = [transforms.ToTensor(), transforms.Normalize(mean, std)]
    fixed = transforms.Compose([resize, transforms.CenterCrop(task.size), *scale])
    first = [resize] if task.crop_from == "resized" else []
    crop = [transforms.RandomResizedCrop(task.size), transforms.RandomHorizontalFlip()]
    random = transforms.Compose([*first, *crop, *scale])
    changed = random if task.augment == "crop-flip" else fixed
    return (
        datasets.ImageFolder(f"{task.data}/train", changed),
        datasets.ImageFolder(f"{task.data}/val", fixed),
    )


def preparation(task: Task) -> tuple[list[float], list[float], str]:
    """Mean, standard deviation and interpolation of the network's weights."""
    if task.model == "resnet18":
        return RESNET18
    from timm import get_pretrained_cfg

    weights = get_pretrained_cfg(task.model)
    return [*weights.mean], [*weights.std], weights.interpolation


def network(task: Task, classes: int) -> nn.Module:
    """The network with the given weights; what is frozen has no gradient and stays in eval mode."""
    model = built(task)
    torch.manual_seed(task.seed)
    head = classifier(model)
    # tlf's start of a head. With torch's own, accuracy after one or two epochs is another.
    new = nn.Linear(head.in_features, classes)
    nn.init.normal_(new.weight, std=0.01)
    nn.init.zeros_(new.bias)
    setattr(model, next(name for name, part in model.named_children() if part is head), new)
    for part in frozen_parts(task, model):
        part.requires_grad_(requires_grad=False)
    return model


def built(task: Task) -> nn.Module:
    """The network with the given weights, which may lack its classifier's."""
    if task.model == "resnet18":
        model = models.resnet18()
    else:
        import timm

        model = timm.create_model(task.model)
    missing, unknown = model.load_state_dict(load_file(task.weights), strict=False)
    own = {name for name, part in model.named_modules() if part is classifier(model)}
    if unknown or any(name.rpartition(".")[0] not in own for name in missing):
        raise SystemExit(f"{task.weights} is not of {task.model}: {unknown or missing}")
    return model


def classifier(model: nn.Module) -> nn.Linear:
    """The last layer."""
    return model.fc if isinstance(model, models.ResNet) else model.get_classifier()


def frozen_parts(task: Task, model: nn.Module) -> list[nn.Module]:
    """What is frozen."""
    parts = [*model.children()]
    if task.frozen == "nothing":
        return []
    trainable = [classifier(model), *([model.layer4] if task.frozen == "layer3" else [])]
    return [part for part in parts if part not in trainable]


def training(task: Task, model: nn.Module) -> None:
    """Training mode, except for what is frozen: its BatchNorm statistics must not move."""
    model.train()
    for part in frozen_parts(task, model):
        part.eval()


def sgd(task: Task, model: nn.Module) -> torch.optim.SGD:
    """The optimizer of everything that learns."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(trainable, lr=task.lr, momentum=0.9)
