"""Runs on the Hugging Face hub, as ``tlf export RUN --to hub`` pushes them."""

import sys
from pathlib import Path

from tlf.errors import RunError
from tlf.pretrained.downloads import SECONDS, announce
from tlf.pretrained.hub_answers import name_problem, reason
from tlf.pretrained.weights import HUB_PREFIX

FILES = ("model.safetensors", "recipe.toml")
"""What a model is loaded from. No other file is fetched."""


def fetch_run(name: str) -> Path:
    """The folder of a run of the hub, in the hub's own cache. What is there already is used without
    the network. A line on stderr says what is fetched, and which commit is used.

    Parameters:
        name: ``hf-hub:user/name``, or ``hf-hub:user/name@revision``.

    Raises:
        RunError: it cannot be fetched, or is no run of tlf.
    """
    repository, _, revision = name.removeprefix(HUB_PREFIX).partition("@")
    if problem := name_problem(repository):
        raise RunError(f"a run on the hub must be hf-hub:user/name, got {name}: {problem}")
    folder = _cached(repository, revision)
    if folder is None:
        folder = _fetched(repository, revision)
    sys.stderr.write(f"{HUB_PREFIX}{repository} is at commit {folder.name}\n")
    return folder


def _cached(repository: str, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(repository, file, revision=revision or None) for file in FILES]
    paths = [Path(one) for one in found if isinstance(one, str)]
    folders = {path.parent for path in paths}  # two, where a newer commit comes meanwhile
    return folders.pop() if len(paths) == len(FILES) and len(folders) == 1 else None


def _fetched(repository: str, revision: str) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download

    source = f"{constants.ENDPOINT}/{repository}"
    try:
        info = HfApi().model_info(
            repository, revision=revision or None, files_metadata=True, timeout=SECONDS
        )
        sizes = {
            one.rfilename: one.size or 0 for one in info.siblings or () if one.rfilename in FILES
        }
        if lacking := [file for file in FILES if file not in sizes]:
            raise RunError(f"{source} must hold a run of tlf, got no {lacking[0]}")
        megabytes = sum(sizes.values()) / 1e6
        announce(f"{HUB_PREFIX}{repository}", megabytes, source, Path(constants.HF_HUB_CACHE))
        folder = snapshot_download(repository, revision=revision or None, allow_patterns=[*FILES])
    except RunError:
        raise
    except Exception as error:  # the network library of the hub differs between versions
        raise RunError(
            f"cannot fetch {HUB_PREFIX}{repository} from {source}: {reason(error)}. It is not in "
            f"{constants.HF_HUB_CACHE} either; write the folder of a run"
        ) from error
    return Path(folder)
