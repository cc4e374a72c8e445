"""What mypy needs of libraries: their annotations differ from version to version."""

from importlib.metadata import version

import pytest
from packaging.version import Version

ANNOTATED = {"matplotlib": "3.10", "numpy": "2.4", "safetensors": "0.8", "torch": "2.14"}
"""tlf's types agree with the annotations of these versions and of newer ones. It runs with older
ones, too.
"""

older = [name for name, first in ANNOTATED.items() if Version(version(name)) < Version(first)]
annotated = pytest.mark.skipif(
    bool(older), reason=f"types agree with {ANNOTATED}; {', '.join(older)} here is older"
)
"""A test that runs mypy."""
