"""JSON that every program reads, and no other is written."""

import ast

import pytest

from places import ROOT
from tlf.runtime.strict_json import dumps


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_json_lacks_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"metrics": [1.0, float(value)]})


def test_options_are_those_of_json():
    assert dumps({"b": 1, "a": "ö"}, sort_keys=True, ensure_ascii=False) == '{"a": "ö", "b": 1}'


def test_all_json_is_written_here():
    """Errors about values of a recipe quote them as JSON; they are the one exception."""
    exempt = {ROOT / "tlf/runtime/strict_json.py", ROOT / "tlf/recipe/values.py"}
    for path in {*(ROOT / "tlf").rglob("*.py")} - exempt:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("dump", "dumps"):
                assert ast.unparse(node.value) != "json", f"{path}:{node.lineno}"
