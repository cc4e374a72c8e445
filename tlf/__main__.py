"""``python -m tlf``: the same as ``tlf``."""

from tlf.cli import main

if __name__ == "__main__":  # worker processes import this module under another name
    main()
