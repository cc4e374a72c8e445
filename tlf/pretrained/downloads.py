"""Fetch published weights. Before each download, a line on stderr names it.

Files are stored in the caches of torch.hub and huggingface_hub, which other programs share. A file
that is in its cache is used without the network.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.request import Request, urlopen

from tlf.errors import WeightsError
from tlf.pretrained.hub_answers import reason

INSTEAD = (
    'write weights = "path/to/a/file.safetensors" (or .pth, .pt, .bin, .ckpt), '
    'weights = "starter" (comes with tlf, for resnet18) or weights = "none" (random)'
)
"""What a person without a connection can do."""

SECONDS = 30
"""Seconds after which a server that does not answer is given up."""


def fetch_url(url: str, what: str, name: str = "", megabytes: float | None = None) -> Path:
    """Fetch a file into torch.hub's folder of checkpoints, unless it is there.

    The file gets its final name when it is whole and has the hash that its name ends in.

    Parameters:
        url: address of the file.
        what: its name for a person.
        name: name of the file; the last part of the URL if left out.
        megabytes: its size, if known; otherwise the server is asked.

    Raises:
        WeightsError: it cannot be fetched or has another hash.
    """
    import torch

    name = name or url.rpartition("/")[2]
    target = Path(torch.hub.get_dir()) / "checkpoints" / name
    if target.exists():
        return target
    digest = torch.hub.HASH_REGEX.search(name)
    try:
        announce(what, _megabytes(url) if megabytes is None else megabytes, url, target)
        target.parent.mkdir(parents=True, exist_ok=True)
        bar = sys.stderr.isatty()
        torch.hub.download_url_to_file(url, str(target), digest and digest.group(1), progress=bar)
    except (OSError, RuntimeError) as error:
        raise unreachable(what, url, target, str(error)) from error
    return target


def fetch_hub(repository: str, names: Sequence[str], what: str) -> Path:
    """Fetch a file from the Hugging Face hub into its cache, unless it is there.

    Parameters:
        repository: ``organisation/name``, or ``organisation/name@revision``.
        names: possible names of the file; the first that exists is fetched.
        what: its name for a person.

    Raises:
        WeightsError: it cannot be fetched, or no file has such a name.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    organisation, _, revision = repository.partition("@")
    for name in names:
        cached = try_to_load_from_cache(organisation, name, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    for name in names:
        try:
            return _download(organisation, name, revision or None, what)
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):
                raise _hub_unreachable(repository, names[0], what, error) from error
        except Exception as error:
            # The network library of the hub, and so its errors, differ between versions.
            raise _hub_unreachable(repository, name, what, error) from error
    raise WeightsError(
        f"{what}: {repository} on the hub has no file {' or '.join(names)}; {INSTEAD}"
    )


def announce(what: str, megabytes: float, source: str, target: Path) -> None:
    """Write on stderr what is fetched next."""
    sys.stderr.write(f"fetching {what} ({megabytes:.1f} MB) from {source} to {target}\n")
    sys.stderr.flush()


def unreachable(what: str, source: str, target: Path, reason: str) -> WeightsError:
    """The error for a file that cannot be fetched: where it was looked for, and what to write."""
    return WeightsError(
        f"cannot fetch {what} from {source}: {reason}. It is not at {target} either; {INSTEAD}"
    )


def _megabytes(url: str) -> float:
    with urlopen(Request(url, method="HEAD"), timeout=SECONDS) as response:
        return int(response.headers.get("Content-Length", 0)) / 1e6


def _download(repository: str, name: str, revision: str | None, what: str) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(repository, name, revision=revision)
    megabytes = (get_hf_file_metadata(url).size or 0) / 1e6
    announce(what, megabytes, url, _hub_path(repository, name))
    return Path(hf_hub_download(repository, name, revision=revision))


def _hub_path(repository: str, name: str) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = repo_folder_name(repo_id=repository.partition("@")[0], repo_type="model")
    return Path(constants.HF_HUB_CACHE) / folder / "snapshots" / "<commit>" / name


def _hub_unreachable(repository: str, name: str, what: str, error: Exception) -> WeightsError:
    source = f"{repository} on the hub"
    return unreachable(what, source, _hub_path(repository, name), reason(error))
