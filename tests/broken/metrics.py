"""Metrics."""

import random
from dataclasses import dataclass, field

from broken.rules import Rules, again

RULES = Rules()


def top1(probabilities, labels):
    return (probabilities.argmax(1) == labels).double().mean().item()


class Rate:
    title = "mine"
    higher_is_better = True
    is_rate = True

    def measure(self, probabilities, labels):
        return top1(probabilities, labels)


@RULES.broken("has None as its title, of 1 to 20 letters")
@dataclass(frozen=True)
class Untitled(Rate):
    title = None


@RULES.broken("has None as higher_is_better; write higher_is_better = True or False")
@dataclass(frozen=True)
class Aimless(Rate):
    higher_is_better = None


@RULES.broken("has is_rate as an option; leave out its annotation")
@dataclass(frozen=True)
class Optional(Rate):
    is_rate: bool = True


@RULES.broken("fails with 2 classes: measure must return a number of Python's, got a Tensor")
@dataclass(frozen=True)
class OfTorch(Rate):
    def measure(self, probabilities, labels):
        return (probabilities.argmax(1) == labels).double().mean()


@RULES.broken("fails with 2 classes: measure must return a fraction from 0 to 1")
@dataclass(frozen=True)
class Percent(Rate):
    def measure(self, probabilities, labels):
        return 100 * top1(probabilities, labels)


@RULES.broken("fails with probabilities of 0 and 1: measure must return a finite number, got nan")
@dataclass(frozen=True)
class Entropy(Rate):
    is_rate = False
    higher_is_better = False

    def measure(self, probabilities, labels):
        return -(probabilities * probabilities.log()).sum(1).mean().item()


@RULES.broken("fails in measure with one image: ZeroDivisionError")
@dataclass(frozen=True)
class Sample(Rate):
    def measure(self, probabilities, labels):
        return min(1.0, top1(probabilities, labels) * len(labels) / (len(labels) - 1))


@RULES.broken("fails in measure with labels of one class: IndexError")
@dataclass(frozen=True)
class OfTheSecondClass(Rate):
    def measure(self, probabilities, labels):
        (labels == 1).nonzero()[0]
        return top1(probabilities, labels)


@RULES.broken("where none is, and says higher_is_better = False")
@dataclass(frozen=True)
class Upside(Rate):
    higher_is_better = False


@RULES.broken("gives another number when it is called again")
@dataclass(frozen=True)
class Counting(Rate):
    is_rate = False

    def measure(self, probabilities, labels):
        return top1(probabilities, labels) + again("metric")


@RULES.broken("for the same images in another order")
@dataclass(frozen=True)
class OfTheFirst(Rate):
    def measure(self, probabilities, labels):
        return top1(probabilities[:5], labels[:5])


@RULES.broken("changes what it is given, with 2 classes")
@dataclass(frozen=True)
class InPlace(Rate):
    def measure(self, probabilities, labels):
        return top1(probabilities.mul_(0.5), labels)


@RULES.broken("draws random numbers (random) in measure")
@dataclass(frozen=True)
class Dice(Rate):
    def measure(self, probabilities, labels):
        return top1(probabilities, labels) + 0 * random.random()


@RULES.broken("raises a ValueError for 2, 3, 7 classes")
@dataclass(frozen=True)
class OfManyClasses(Rate):
    def measure(self, probabilities, labels):
        raise ValueError("too few classes")


@RULES.broken("changes its own options")
@dataclass(frozen=True)
class Writing(Rate):
    seen: list[int] = field(default_factory=list)

    def measure(self, probabilities, labels):
        self.seen.append(len(labels))
        return top1(probabilities, labels)


@RULES.broken("gives something else in a second process")
@dataclass(frozen=True)
class Hashed(Rate):
    is_rate = False

    def measure(self, probabilities, labels):
        return top1(probabilities, labels) + hash("a metric") % 1000


@dataclass(frozen=True)
class ExactMatch(Rate):
    tasks = ("multi-label",)

    def measure(self, probabilities, labels):
        return ((probabilities >= 0.5) == labels.bool()).all(1).double().mean().item()


@dataclass(frozen=True)
class Recall(ExactMatch):
    """Of all labels, those that are given: there must be one."""

    def measure(self, probabilities, labels):
        given = (probabilities >= 0.5) & labels.bool()
        return given.sum().item() / labels.sum().item()


SEVERAL = [ExactMatch()]
WITHOUT = Recall()
