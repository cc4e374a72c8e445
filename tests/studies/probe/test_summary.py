"""What is printed, and what becomes of it in files."""

from probed_backbones import PROBED, backbone
from tlf.studies.probe.summary import lines, verdicts


def test_tables_fit_a_terminal_but_for_names():
    text = "\n".join(lines(PROBED))
    assert text == str(PROBED)
    table = text.split("\n\n")[1].splitlines()
    assert table[0] == ("  top-1   95 % interval    ridge   ms/image       MB   params   backbone")
    assert table[1] == (
        "  96.8%    91.8%–100.0%    95.8%       31.2     44.7    11.2M   timm/<large>"
    )
    assert "probed    my/images: 245 train images of 2 classes, 50.6% in the largest" in text
    assert "not probed: timm/gone; the notes say why" in text
    assert "  96.8%    91.8%–100.0%          64   layer1" in text


def test_verdicts_are_in_words():
    assert [*verdicts(PROBED)] == [
        "timm/near: not distinguishable; about 1,200 images would tell",
        "torchvision/resnet18@starter: the first is better by 26.4 points [19.6, 33.3]",
    ]


def test_a_single_backbone_is_compared_with_none():
    alone = type(PROBED)(**{**vars(PROBED), "backbones": (backbone("a", 0.9),), "failed": ()})
    assert "compared" not in str(alone)
    assert "not probed" not in str(alone)
