"""Write what tlf needs to stdout, a line for each library: ``python requirements.py EXTRA...``."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
# An extra that asks for tlf itself would bring another tlf from the package index.
extras = {
    name: libraries
    for name, libraries in project["optional-dependencies"].items()
    if not any(library.startswith("tlf[") for library in libraries)
}
needed = list(project["dependencies"])
for extra in sys.argv[1:]:
    if extra not in extras:
        sys.exit(f"EXTRAS must be among {', '.join(sorted(extras))}, got {extra}")
    needed += extras[extra]
sys.stdout.writelines(f"{library}\n" for library in needed)
