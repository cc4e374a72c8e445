"""The same jobs by tlf, by hand, by other frameworks, and at the limit: one command, one table.

    python tests/benchmarks/compare.py
    python tests/benchmarks/compare.py --images FOLDER --jobs fresh,full --repeats 5
    python tests/benchmarks/compare.py --seeds 5 --jobs features      # accuracy of plain and tlf
    python tests/benchmarks/compare.py --seeds 5 --jobs fresh,full --size 96 \\
        --model tf_efficientnet_lite0 --weights FILE --images FOLDER  # crops of files, of resized

Whole processes are measured, imports and exit included, one after the other in turn, without a GPU:
ResNet-18 with the weights that come with tlf, on 400 JPEGs that it draws (about 500 × 375; 250 to
train on, 150 to evaluate on) or on any folder with train and val folders. Every repeat has a seed
of its own, the same for everybody. Everybody evaluates after each epoch.

plain is the well-known tutorial's loop in float32, with as many workers as are best here (found
out with one epoch each); limit is a script by hand, without tlf, timm and Accelerate. tlf begins
without a cache; "second run" finds the one that the run before it left. Everybody cuts random crops
from the files, but for those whose name says "crops of resized images". The others come with the
extra `bench`; --peers-python says which interpreter has it, if not this one. All of it takes hours;
--estimate 2 has those whose epochs cost the same (plain and the frameworks) run 2 epochs, and marks
what it makes of them."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import material
import table
from jobs import ENVIRONMENT, HERE, JOBS, Contestant, Job, contestants, has_cache, installed
from measuring import Figures, extended, machine, measure
from task import Task

PLAIN = ("plain", "plain-resized")


@dataclass
class Bench:
    """What a comparison goes by, and what is known so far."""

    asked: argparse.Namespace
    work: Path
    data: Path
    weights: Path
    everybody: dict[str, Contestant] = field(default_factory=dict)
    known: dict[str, Figures] = field(default_factory=dict)
    """By task: plain float32 is the same in a job that allows bf16."""
    workers: dict[tuple[str, str], int] = field(default_factory=dict)

    def task(self, job: Job, seed: int) -> Task:
        """The job with these images."""
        return Task(
            data=self.data, weights=self.weights, out=Path(), frozen=job.frozen,
            model=self.asked.model, augment=job.augment,
            epochs=self.asked.epochs or job.epochs, lr=job.lr,
            bf16=int(job.bf16), batch_size=self.asked.batch_size, size=self.asked.size, seed=seed,
        )  # fmt: skip

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder for a process, gone afterwards."""
        path = self.work / "process"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path)


def main() -> None:
    """Measure and print."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        bench = prepared(asked, Path(folder))
        images = sum(material.count(bench.data))
        raw, parts = {}, []
        for name in asked.jobs:
            job = JOBS[name]
            results = compared(bench, job)
            epochs = asked.epochs or job.epochs
            title = f"{job.title}, {epochs} epochs"
            parts.append(
                table.text(title, table.rows(results, images, epochs), markdown=asked.markdown)
            )
            if asked.seeds:
                parts.append(agreements(results))
            raw[name] = {who: [asdict(f) for f in each] for who, each in results.items()}
            if asked.json:
                about = {"device": device(asked), "arguments": sys.argv[1:], "jobs": raw}
                asked.json.write_text(json.dumps(about, indent=1))
        print("\n\n".join([*parts, device(asked)]))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def names(text: str) -> list[str]:
        return text.split(",")

    parser.add_argument("--images", type=Path, help="a folder with train and val folders")
    parser.add_argument("--jobs", type=names, help=", ".join(JOBS))
    parser.add_argument("--model", default="resnet18", help="or a network of timm")
    parser.add_argument("--weights", type=Path, help="of the model; those that come with tlf")
    parser.add_argument("--contestants", type=names, help="such as plain,tlf,limit; all by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, help="plain and tlf with so many seeds: accuracy")
    parser.add_argument("--epochs", type=int, help="instead of each job's own")
    parser.add_argument("--estimate", type=int, metavar="EPOCHS", help="see above")
    parser.add_argument(
        "--workers", type=lambda t: [int(n) for n in t.split(",")], default=[0, 2, 4]
    )
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--peers-python", default=sys.executable)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path, help="raw figures, after each job")
    asked = parser.parse_args()
    if asked.model != "resnet18" and not asked.weights:
        parser.error(f"--model {asked.model} needs --weights")
    possible = [n for n, job in JOBS.items() if asked.model == "resnet18" or job.frozen != "layer3"]
    asked.jobs = asked.jobs or possible
    if unknown := [name for name in asked.jobs if name not in possible]:
        parser.error(f"there are no jobs {', '.join(unknown)}; there are {', '.join(possible)}")
    if asked.seeds:
        asked.repeats = asked.seeds
        default = ["plain", "plain-resized", "tlf", "tlf-resized"]
        asked.contestants = asked.contestants or default
    return asked


def prepared(asked: argparse.Namespace, work: Path) -> Bench:
    """Make what is compared on, and find out who is there."""
    data = work / "images"
    weights = asked.weights.resolve() if asked.weights else work / "resnet18.safetensors"
    if asked.images:
        material.linked(asked.images, data)
    else:
        make("images", data)
    if not asked.weights:
        make("weights", weights)
    bench = Bench(asked, work, data, weights)
    with bench.folder() as out:
        job = JOBS["features"]
        cached = has_cache(sys.executable, replace(bench.task(job, 0), out=out))
    everybody = contestants(sys.executable, asked.peers_python, cached)
    wanted = asked.contestants or [*everybody]
    if unknown := [name for name in wanted if name not in (*everybody, "tlf-warm")]:
        raise SystemExit(
            f"there are no contestants {', '.join(unknown)}; there are {', '.join(everybody)}"
        )
    bench.everybody = {name: who for name, who in everybody.items() if name in wanted}
    return bench


def make(what: str, path: Path, *more: str) -> None:
    """Have something made by a process of its own."""
    command = [sys.executable, str(HERE / "material.py"), what, str(path), *more]
    subprocess.run(command, env=ENVIRONMENT, check=True)


def compared(bench: Bench, job: Job) -> dict[str, list[Figures]]:
    """Everybody's figures for a job, repeats in turn."""
    model = bench.asked.model
    present = {n: who for n, who in bench.everybody.items() if who.takes_part(job, model)}
    missing = {
        n for n, who in present.items()
        if who.package and not installed(bench.asked.peers_python, who.package)
    }  # fmt: skip
    titles = {n: who.title for n, who in present.items()}
    for name in present:
        if name in PLAIN:
            titles[name] += f", {best_workers(bench, job)} workers"
    results: dict[str, list[Figures]] = {titles[name]: [] for name in present}
    for repeat in range(bench.asked.repeats):
        cache = bench.work / "cache"
        for name, who in present.items():
            if name in missing:
                continue
            if not who.warm:
                shutil.rmtree(cache, ignore_errors=True)
            figures = measured(bench, who, bench.task(job, repeat), cache)
            results[titles[name]].append(figures)
            print(f"{job.title}: {titles[name]}: {figures.seconds:.1f} s", file=sys.stderr)
        shutil.rmtree(cache, ignore_errors=True)
    return results


def measured(bench: Bench, who: Contestant, task: Task, cache: Path) -> Figures:
    """One contestant's figures for a task; those that are known already are taken as they are."""
    epochs, few = task.epochs, bench.asked.estimate
    task = who.settled(task)
    if who.title.startswith("plain loop"):
        task = replace(task, workers=bench.workers[task.frozen, task.augment])
    if who.epochs_alike and few and few < epochs:
        task = replace(task, epochs=few)
    key = f"{who.title} {task}"
    if key not in bench.known or not who.epochs_alike:
        with bench.folder() as out:
            command = who.command(replace(task, out=out), cache)
            bench.known[key] = measure(command, out, ENVIRONMENT, cache)
    return extended(bench.known[key], epochs)


def best_workers(bench: Bench, job: Job) -> int:
    """How many workers make the plain loop fastest, by one epoch with each number."""
    key = job.frozen, job.augment
    if key not in bench.workers:
        seconds = {}
        plain = next(who for name, who in bench.everybody.items() if name in PLAIN)
        tried = bench.asked.workers
        for workers in tried if len(tried) > 1 else []:
            task = plain.settled(replace(bench.task(job, 0), epochs=1, workers=workers))
            with bench.folder() as out:
                command = plain.command(replace(task, out=out), out)
                seconds[workers] = measure(command, out, ENVIRONMENT, out / "none").seconds
            print(f"plain loop, {workers} workers: {seconds[workers]:.1f} s", file=sys.stderr)
        bench.workers[key] = min(seconds, key=seconds.__getitem__) if seconds else tried[0]
    return bench.workers[key]


def agreements(results: dict[str, list[Figures]]) -> str:
    """The accuracy of everybody else beside that of the first."""
    first, *others = [name for name, each in results.items() if len(each) > 1]
    return "\n".join(table.agreement(first, other, results) for other in others)


def device(asked: argparse.Namespace) -> str:
    """The machine and the versions."""
    packages = ("torch", "torchvision", "timm", "accelerate", "pillow")
    code = (
        "from importlib.metadata import version, PackageNotFoundError as E\n"
        "for name in ('fastai', 'lightning', 'transformers'):\n"
        "    try: print(f', {name} {version(name)}', end='')\n"
        "    except E: pass\n"
    )
    peers = subprocess.run(
        [asked.peers_python, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    return (
        f"{machine(*packages)}{peers}\n"
        "n repeats in turn: median [min, max]; MiB are those of the largest process and of "
        "everything left on the disk"
    )


if __name__ == "__main__":
    main()
