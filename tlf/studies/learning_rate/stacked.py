"""Many linear heads trained at once on the same features: one wide head.

Each head is what a run at its rate and with its seed trains: the same start, the same order of
images, the same dropout, the recipe's own optimizer, loss and schedule. Their products are one
product, and their losses one sum, so that no head's gradient depends on another's. Of each rate,
the heads of all folds are one tensor to the optimizer, which changes each number by itself.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional

from tlf.events import Prepared
from tlf.recipe.schema import Phase
from tlf.results import Progress
from tlf.runtime.devices import on_threads
from tlf.runtime.seeds import derive
from tlf.studies.learning_rate.deals import Deal, Outcome, Outcomes, judge
from tlf.studies.learning_rate.grid import at_rate
from tlf.training.epoch import epoch_batches, write_rates
from tlf.training.job import Job
from tlf.training.phases import learning_rates, rate_factor
from tlf.training.segments.groups import build_optimizer, parameter_groups
from tlf.training.segments.segment import Segment

MOST = 2**24
"""Weights of the heads that are trained at once (64 MB), where one head has fewer."""
_OPTIMIZERS = ("sgd", "adam", "adamw")
"""They change each number by itself: heads in one tensor train as each would alone."""


def stacks(job: Job, phase: Phase) -> bool:
    """Whether heads of a phase can be trained at once, each exactly as it would be alone."""
    catalogue, head = job.plan.plugins.catalogue, job.recipe.head
    optimizer = phase.optimizer or job.recipe.optimizer
    offers = [catalogue.offer(one) for one in (head, optimizer, phase.scheduler, job.recipe.loss)]
    own = all(offer.plugin.name == "tlf" for offer in offers)
    kinds = [offer.kind for offer in offers]
    dropped = getattr(head, "dropout", 0.0) > 0 and job.pieces > 1  # each piece draws its own
    return (
        own and kinds[0] == "linear" and kinds[1] in _OPTIMIZERS and kinds[2] != "plateau"
        and not dropped and phase.early_stopping is None and phase.ema is None
        and job.accelerator.mixed_precision == "no"
    )  # fmt: skip


@dataclass(frozen=True)
class Heads:
    """What the heads of a phase are trained on and from."""

    job: Job
    phase: Phase
    segment: Segment
    features: Tensor
    """(N, F), what the head gets for each train image, on the device."""
    labels: Tensor
    """(N, …), on the device."""
    starts: Mapping[int, Mapping[str, Tensor]]
    """Seed → the new head's tensors."""
    trained: Mapping[int, Mapping[str, Tensor]] = field(default_factory=dict)
    """Number of a deal → what earlier phases have made of its head."""

    def start(self, deal: Deal) -> Mapping[str, Tensor]:
        """What the head of a deal begins with."""
        return self.trained.get(deal.number, self.starts[deal.seed])

    @cached_property
    def size(self) -> int:
        """Numbers of one head."""
        return sum(tensor.numel() for tensor in next(iter(self.starts.values())).values())

    @cached_property
    def dropout(self) -> float:
        """The probability that a feature is set to 0 in training."""
        return float(getattr(self.job.recipe.head, "dropout", 0.0))

    def images(self, deals: Sequence[Deal]) -> int:
        """How many images the heads of these deals are trained on in an epoch, at one rate."""
        return sum(len(self.labels) - len({*deal.held_out, *self.job.held_out}) for deal in deals)

    def trains_on(self, deal: Deal, epoch: int) -> Sequence[list[int]]:
        """The batches of an epoch, as a run has them."""
        without = {*deal.held_out, *self.job.held_out}
        drawn = epoch_batches(self.job, self.phase, self.segment, epoch, without, deal.seed)
        return [[index for _, index in batch] for batch in drawn]


def train_at_once(
    heads: Heads, deals: Sequence[Deal], own: float, rates: Sequence[float]
) -> Outcomes:
    """Train a head for each deal and each rate, and judge it.

    Parameters:
        heads: what they are trained on.
        deals: the folds of each seed.
        own: the recipe's rate.
        rates: those that take its place.
    """
    done = 0
    for chosen, places in _parts(heads, deals, len(rates)):
        wide = _Wide(heads, chosen, [at_rate(heads.phase, own, rates[n]) for n in places])
        done = yield from _epochs(wide, done, heads.images(deals) * len(rates))
        yield from wide.outcomes(places)


def after_at_once(
    heads: Heads, deals: Sequence[Deal]
) -> Generator[Prepared, None, dict[int, dict[str, Tensor]]]:
    """Train a head for each deal at the recipe's rates: number of the deal → its tensors."""
    found: dict[int, dict[str, Tensor]] = {}
    done = 0
    for chosen, _ in _parts(heads, deals, 1):
        wide = _Wide(heads, chosen, [heads.phase])
        done = yield from _epochs(wide, done, heads.images(deals))
        for position, deal in enumerate(chosen):
            own = wide.tensors.items()
            found[deal.number] = {name: each.detach()[position, 0].clone() for name, each in own}
    return found


def _epochs(wide: "_Wide", done: int, images: int) -> Generator[Prepared, None, int]:
    """Train heads for all epochs of their phase.

    Parameters:
        wide: the heads.
        done: images that heads were trained on before.
        images: those of an epoch of all heads that are trained.
    """
    heads = wide.heads
    for epoch in range(heads.phase.epochs):
        with on_threads(heads.segment.threads):
            wide.train(epoch)
        done += heads.images(wide.deals) * wide.rates
        yield Prepared(f"heads of {heads.phase.name}", done, images * heads.phase.epochs)
    return done


def _parts(heads: Heads, deals: Sequence[Deal], rates: int) -> Iterator[tuple[list[Deal], range]]:
    """Deals and rates that are trained at once: equally many batches, and not too many weights."""

    def batches(deal: Deal) -> int:
        return len(heads.trains_on(deal, 0))

    at_once = max(1, MOST // heads.size)
    for _, group in groupby(sorted(deals, key=batches), key=batches):
        alike = [*group]
        for start in range(0, len(alike), at_once):
            chosen = alike[start : start + at_once]
            wide = max(1, at_once // len(chosen))
            for first in range(0, rates, wide):
                yield chosen, range(first, min(rates, first + wide))


class _Wide:
    """Heads of D deals, each at R rates."""

    def __init__(self, heads: Heads, deals: Sequence[Deal], phases: Sequence[Phase]) -> None:
        """Build the heads. ``phases``: the phase at each rate."""
        self.heads, self.deals, self.rates = heads, deals, len(phases)
        starts = [heads.start(deal) for deal in deals]
        self.tensors = {  # (D, R, …)
            name: torch.stack([torch.stack([start[name]] * len(phases)) for start in starts])
            for name in starts[0]
        }
        self.optimizer = self._optimizer(phases)

    def _optimizer(self, phases: Sequence[Phase]) -> torch.optim.Optimizer:
        """The recipe's optimizer, with the heads of each rate in groups of their own."""
        job, frozen = self.heads.job, self.heads.segment.frozen
        optimizer = self.heads.phase.optimizer or job.recipe.optimizer
        groups = []
        for position, phase in enumerate(phases):
            rates = learning_rates(job.classifier, phase, frozen)
            for group in parameter_groups(job.classifier, rates, optimizer):
                held = [self._of_rate(name, position) for name in group["names"]]
                groups.append({**group, "params": held})
        return build_optimizer(optimizer, groups)

    def _of_rate(self, name: str, position: int) -> nn.Parameter:
        """The heads of one rate: a part of the tensor of all, and of its gradient."""
        whole = self.tensors[name.removeprefix("head.")].requires_grad_()
        if whole.grad is None:
            whole.grad = torch.zeros_like(whole)
        part = nn.Parameter(whole.detach()[:, position])
        part.grad = whole.grad[:, position]
        return part

    def train(self, epoch: int) -> None:
        """Make all updates of an epoch."""
        job, phase = self.heads.job, self.heads.phase
        every = [self.heads.trains_on(deal, epoch) for deal in self.deals]
        start = Progress(epoch, phase.epochs, monitor=job.recipe.monitor, updates=len(every[0]))
        for update, batches in enumerate(zip(*every, strict=True)):
            factor = rate_factor(job.plan, phase, replace(start, update=update))
            write_rates(self.optimizer, factor)
            self._step(epoch, update, batches)

    def _step(self, epoch: int, update: int, batches: Sequence[Sequence[int]]) -> None:
        most, device = max(map(len, batches)), self.heads.features.device
        # Shorter batches are filled up with an image that weighs nothing.
        indices = torch.tensor([[*batch, *[batch[0]] * (most - len(batch))] for batch in batches])
        shares = torch.tensor(
            [[1 / len(batch)] * len(batch) + [0.0] * (most - len(batch)) for batch in batches]
        )
        indices, shares = indices.to(device), shares.to(device)
        inputs = self.heads.features[indices]
        if self.heads.dropout:
            inputs = inputs * self._kept(epoch, update, batches, most)
        losses = self._losses(self._logits(inputs), self.heads.labels[indices])
        torch.autograd.backward((losses * shares.unsqueeze(1)).sum())
        if self.heads.job.recipe.clip_grad_norm is not None:
            self._clip(self.heads.job.recipe.clip_grad_norm)
        self.optimizer.step()
        for gradient in self._gradients():
            gradient.zero_()

    def _kept(self, epoch: int, update: int, batches: Sequence[Sequence[int]], most: int) -> Tensor:
        """What dropout multiplies the inputs by (D, B, F), drawn as a run draws it."""
        drawn: dict[tuple[int, int], Tensor] = {}
        rows = []
        for deal, batch in zip(self.deals, batches, strict=True):
            key = deal.seed, len(batch)
            if key not in drawn:
                ones = self.heads.features.new_ones(len(batch), self.heads.features.shape[1])
                _seed(derive(deal.seed, "update", epoch, update, 0, 0), ones.device)
                drawn[key] = functional.dropout(ones, self.heads.dropout, training=True)
            rows.append(functional.pad(drawn[key], (0, 0, 0, most - len(batch))))
        return torch.stack(rows)

    def _logits(self, inputs: Tensor) -> Tensor:
        """(D, B, F) → (D, R, B, K)."""
        weight, bias = self.tensors["weight"], self.tensors.get("bias")
        deals, rates, classes, width = weight.shape
        flat = torch.bmm(inputs, weight.view(deals, rates * classes, width).mT)
        logits = flat.view(deals, -1, rates, classes).transpose(1, 2)
        return logits if bias is None else logits + bias.unsqueeze(2)

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each image: logits (D, R, B, K), labels (D, B, …) → (D, R, B)."""
        shape, label = logits.shape[:3], labels.shape[2:]
        every = labels.unsqueeze(1).expand(*shape, *label).reshape(-1, *label)
        return self.heads.job.losses(logits.reshape(-1, logits.shape[-1]), every).view(shape)

    def _clip(self, most: float) -> None:
        """Shorten the gradient of each head, as torch's ``clip_grad_norm_`` does."""
        squares = [gradient.flatten(2).square().sum(2) for gradient in self._gradients()]
        factor = (most / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in self._gradients():
            gradient.mul_(factor.view(*factor.shape, *[1] * (gradient.ndim - 2)))

    def _gradients(self) -> list[Tensor]:
        return [tensor.grad for tensor in self.tensors.values() if tensor.grad is not None]

    @torch.no_grad()
    def outcomes(self, places: Sequence[int]) -> Iterator[Outcome]:
        """Judge each head on the images that its training did not have."""
        for position, deal in enumerate(self.deals):
            held_out = torch.tensor(deal.held_out, device=self.heads.features.device)
            labels = self.heads.labels[held_out]
            weights = [tensor[position].flatten(1) for tensor in self.tensors.values()]
            finite = torch.cat(weights, dim=1).isfinite().all(1)
            every = self._logits_of(position, self.heads.features[held_out])
            for rate, logits, sound in zip(places, every, finite.tolist(), strict=True):
                yield judge(self.heads.job, deal, rate, logits if sound else None, labels)

    def _logits_of(self, position: int, inputs: Tensor) -> Tensor:
        """Of the heads of one deal: (n, F) → (R, n, K)."""
        logits = inputs @ self.tensors["weight"][position].mT
        bias = self.tensors.get("bias")
        return logits if bias is None else logits + bias[position].unsqueeze(1)


def _seed(seed: int, device: torch.device) -> None:
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
