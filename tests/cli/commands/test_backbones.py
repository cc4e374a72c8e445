"""``tlf backbones`` lists the networks that a recipe can name."""

import pytest

from tlf.cli.commands.backbones import backbone_lines, family_lines
from tlf.recipe.reference.backbones import KnownBackbone

NETWORKS = [
    KnownBackbone("torchvision", "wide_net", "net", 224, 7_000_000, 0.75, ("V1",)),
    KnownBackbone("torchvision", "net18", "net", 224, 5_000_000, 0.7, ("V2", "V1")),
    KnownBackbone("timm", "vit_small", "vision", 384, None),
]


def test_a_line_for_each_network_and_what_to_write():
    assert [*backbone_lines(NETWORKS)] == [
        "model      kind           parameters input   top-1",
        "wide_net   torchvision     7,000,000   224  75.00%",
        "net18      torchvision     5,000,000   224  70.00%",
        "vit_small  timm                    –   384       –",
        "weights of torchvision's wide_net: V1, none",
        "weights of torchvision's net18: V2, V1, none",
        "weights of timm's vit_small: none",
        'write: backbone = { kind = "torchvision", model = "wide_net" }',
        'write: backbone = { kind = "timm", model = "vit_small" }',
    ]


def test_families_are_listed_with_a_network_of_each():
    lines = [*family_lines(NETWORKS, ['backbone = "own:net"'])]
    assert [line.split() for line in lines[:4]] == [
        ["library", "family", "networks", "for", "example"],
        ["torchvision", "net", "2", "net18"],
        ["timm", "vision", "1", "vit_small"],
        ["plugin", "backbone", "=", '"own:net"'],
    ]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("most", "found"), [("0.4M", True), ("1e3", False), ("400000", True), ("1e999", True)]
)
def test_the_largest_number_of_parameters(main, most, found):
    code, out, err = main("backbones", "test_vit", "--max-params", most)
    assert (code, err) == (0, "")
    if found:
        assert out.splitlines()[1].split()[:2] == ["test_vit", "timm"]
    else:
        assert out == "no network has so few parameters\n"


def test_a_number_that_is_none(main):
    code, out, err = main("backbones", "--max-params", "small")
    assert (code, out) == (2, "")
    assert "must be a number, got 'small'; write 6M, for example" in err
