"""Push a run to the hub: model, head, records and card, in one commit."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import tlf
from tlf.errors import RunError
from tlf.pretrained.hub_answers import name_problem
from tlf.publishing.facts import read_facts
from tlf.publishing.hub.failures import LOGIN, NOTHING, hub_failures
from tlf.publishing.hub.staging import OPTIONAL, Staged, stage
from tlf.runtime.files import absolute

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True)
class Pushed:
    """A run that is on the hub."""

    repository: str
    url: str
    """Of the repository."""
    commit: str
    """The commit that holds the files; ``hf-hub:REPOSITORY@COMMIT`` is always this very model."""
    files: Mapping[str, int]
    """Name → bytes."""
    own_loader: str
    """Why the backbone's library does not load it; empty if it does."""


@dataclass(frozen=True)
class Standing:
    """What the hub has under a name."""

    exists: bool
    private: bool
    """Whether its owner alone sees it, or will."""
    files: frozenset[str] = frozenset()
    """Their names."""
    commit: str | None = None
    """The one that holds them; None of a repository that is new or has no commit."""


def push(
    run: str | PathLike[str],
    repository: str,
    *,
    private: bool = False,
    licence: str | None = None,
    onnx: bool = False,
    overwrite: bool = False,
) -> Pushed:
    """Push a run to the Hugging Face hub: what ``tlf export RUN --to hub`` does.

    Before anything is sent, a line on stderr for each file says what goes where. All files come in
    one commit: either all of them are there, or none. The model is compared with the run first, as
    every export is.

    Parameters:
        run: the folder of the run.
        repository: ``user/name``.
        private: whether only its owner sees it.
        licence: of the model, as the hub writes it, ``unknown`` included; by default that of the
            pretrained weights, where it is known.
        onnx: whether to push the model as ONNX, too.
        overwrite: add a commit to a repository that exists.

    Raises:
        RunError: there is no token, the licence is not known, the repository exists, or the hub
            refuses or cannot be reached. The message says what is on the hub then.
        DataError: images of the run are missing, so that nothing can be compared.
        WeightsError: the model no longer gives what the run gave.
    """
    facts = read_facts(absolute(run), licence)
    api = _api(repository)
    if licence is None and not facts.licence.known:
        raise RunError(
            f"the licence of a model on the hub must be known, got none: {facts.licence.reason} "
            "Write --licence apache-2.0, or another that the hub knows; or --licence unknown"
        )
    standing = _look_up(api, repository, private=private, overwrite=overwrite)
    with TemporaryDirectory(prefix="tlf-") as name:
        staged = stage(facts, Path(name), repository, onnx=onnx)
        _announce(f"{api.endpoint}/{repository}", standing, staged)
        if not standing.exists:
            _create(api, repository, private=private)
        commit = _upload(api, repository, Path(name), staged, standing)
    url = f"{api.endpoint}/{repository}"
    return Pushed(repository, url, commit, staged.files, staged.loader.reason)


def _api(repository: str) -> "HfApi":
    """The hub, with the user's token.

    Raises:
        RunError: the name cannot be one of a repository, there is no token, or the network is
            forbidden.
    """
    from huggingface_hub import HfApi, constants, get_token

    if problem := name_problem(repository):
        raise RunError(
            f"--repo must be user/name, got {repository!r}: {problem}; write such as me/ants"
        )
    if constants.HF_HUB_OFFLINE:
        raise RunError(
            "HF_HUB_OFFLINE forbids the network, which a push needs; unset it to push, or write "
            "the card alone: --to card"
        )
    token = get_token()
    if token is None:
        raise RunError(f"a push to {constants.ENDPOINT} needs a token, got none; {LOGIN}")
    return HfApi(constants.ENDPOINT, token, library_name="tlf", library_version=tlf.__version__)


def _look_up(api: "HfApi", repository: str, *, private: bool, overwrite: bool) -> Standing:
    """What the hub has under a name.

    Raises:
        RunError: it may not be changed, or the hub does not say it.
    """
    url = f"{api.endpoint}/{repository}"
    sys.stderr.write(f"asking for {url}\n")
    with hub_failures(f"asking for {url}", NOTHING):
        if not api.repo_exists(repository):
            return Standing(exists=False, private=private)
        if not overwrite:
            raise RunError(
                f"{url} exists; write --overwrite to add a commit to it, or another --repo. "
                f"{NOTHING}"
            )
        about = api.model_info(repository)
        if about.siblings is None or (about.siblings and about.sha is None):
            raise RunError(
                f"{url} exists, and {api.endpoint} does not say which files it has, in which "
                "commit: old ones might stay beside the new model; push to the hub itself (unset "
                f"HF_ENDPOINT), or to another --repo. {NOTHING}"
            )
        files = frozenset(one.rfilename for one in about.siblings)
        found = Standing(True, bool(about.private), files, about.sha)
    if private and not found.private:
        raise RunError(
            f"{url} exists and is seen by everybody, and --private asks for the opposite; make it "
            f"private there, or leave --private out. {NOTHING}"
        )
    return found


def _announce(url: str, standing: Standing, staged: Staged) -> None:
    seen = "seen by its owner alone" if standing.private else "seen by everybody"
    total = sum(staged.files.values()) / 1e6
    lines = [f"pushing {total:,.1f} MB to {url}, {seen}:"]
    lines += [f"  {name:22} {size / 1e3:>12,.1f} kB" for name, size in staged.files.items()]
    sys.stderr.write("\n".join([*lines, ""]))
    sys.stderr.flush()


def _create(api: "HfApi", repository: str, *, private: bool) -> None:
    url = f"{api.endpoint}/{repository}"
    unknown = (
        f"{NOTHING}, but {url} may exist now, without the files; write --overwrite to push again, "
        "whether it does or not"
    )
    with hub_failures(f"creating {url}", NOTHING, unknown):
        api.create_repo(repository, private=private)
    sys.stderr.write(f"created {url}; it is empty until the last file is there\n")


def _upload(api: "HfApi", repository: str, folder: Path, staged: Staged, standing: Standing) -> str:
    """Push all files in one commit, and return it."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    url = f"{api.endpoint}/{repository}"
    left = f"{url} is as it was before"
    if not standing.exists:
        left = (
            f"{url} was created and holds none of the files; write --overwrite to push to it "
            f"again, or remove it: hf repos delete {repository}"
        )
    gone = {*OPTIONAL} & standing.files - {*staged.files}
    changes: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(name, folder / name) for name in staged.files),
        *(CommitOperationDelete(name) for name in sorted(gone)),
    ]
    unknown = (
        f"{url} holds all of the files now, or none: look there; write --overwrite to push again"
    )
    with hub_failures(f"pushing to {url}", left, unknown):
        # ``upload_folder`` may make several commits, and repeats one whose answer was lost.
        done = api.create_commit(
            repository,
            changes,
            commit_message=f"Model, head, records and card of a run of tlf {tlf.__version__}",
            parent_commit=standing.commit,  # nothing that came in between is overwritten
        )
    return str(done.oid)
