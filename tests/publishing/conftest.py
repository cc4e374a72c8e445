"""A hub of these tests, and a run that was pushed to it."""

import pytest

import tlf as package
from hub_server import TOKEN, hub, use_hub


@pytest.fixture(scope="module")
def on_hub(tmp_path_factory):
    """A hub that this process takes for the real one, with a token; and its cache."""
    with hub() as server, pytest.MonkeyPatch.context() as patch:
        use_hub(patch, server.url, tmp_path_factory.mktemp("hub"))
        patch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture(scope="module")
def pushed(on_hub, finished):
    """The run of ``finished``, pushed as ``me/my_shapes``."""
    return package.push(finished, "me/my_shapes", licence="mit")
