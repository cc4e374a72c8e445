"""What stands in a model card."""

import re


def code_of(card):
    """The blocks of Python in a card."""
    return re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)
