"""Schedulers that a second process cannot build, or in which they do something else."""

import os
from dataclasses import dataclass

from broken.rules import Rules

RULES = Rules()


@RULES.broken("gives something else in a second process")
@dataclass(frozen=True)
class Ranked:
    def factor(self, progress):
        return 1.0 + int(os.environ.get("RANK", "0"))


@RULES.broken("gives something else in a second process, which has another hash seed")
@dataclass(frozen=True)
class Hashed:
    def factor(self, progress):
        return 1.0 + hash("some text") % 1000


def local_class() -> object:
    @dataclass(frozen=True)
    class Local:
        def factor(self, progress):
            return 1.0

    return Local()


RULES.note("Local", "cannot be used in a second process", local_class)


@RULES.broken("cannot be used in a second process: the process ended with exit code 3")
@dataclass(frozen=True)
class Ending:
    def factor(self, progress):
        if "RANK" in os.environ:
            os._exit(3)
        return 1.0


@RULES.broken("cannot be used in a second process: SystemExit: no")
@dataclass(frozen=True)
class Leaving:
    def factor(self, progress):
        if "RANK" in os.environ:
            raise SystemExit("no")
        return 1.0
