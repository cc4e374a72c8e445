"""The same job as a recipe of one phase, as people write it by hand: plain PyTorch, torchvision,
float32.

python tests/benchmarks/plain_loop.py PICTURES EPOCHS BATCH_SIZE SIZE (all | head)
"""

import sys
import time

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

pictures, epochs, batch_size, size, what = sys.argv[1:]
side = int(size)
scale = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
augmented = [transforms.RandomResizedCrop(side), transforms.RandomHorizontalFlip(), *scale]
fixed = [transforms.Resize(side * 256 // 224), transforms.CenterCrop(side), *scale]
train = datasets.ImageFolder(f"{pictures}/train", transforms.Compose(augmented))
val = datasets.ImageFolder(f"{pictures}/val", transforms.Compose(fixed))
loaders = {
    "train": DataLoader(train, int(batch_size), shuffle=True),
    "val": DataLoader(val, int(batch_size)),
}
torch.manual_seed(0)
model = models.resnet18()
if what == "head":
    model.requires_grad_(requires_grad=False)
model.fc = torch.nn.Linear(512, len(train.classes))
learning = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(learning, lr=1e-3, momentum=0.9)
for epoch in range(int(epochs)):
    started = time.perf_counter()
    model.train(mode=what == "all")
    for images, labels in loaders["train"]:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    trained = time.perf_counter()
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in loaders["val"])
    rate, seconds = len(train) / (trained - started), time.perf_counter() - started
    print(
        f"epoch {epoch + 1}: top-1 {right / len(val):.2%}, {rate:.0f} pictures/s, {seconds:.1f} s"
    )
