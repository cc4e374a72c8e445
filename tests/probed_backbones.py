"""What a study of backbones may have shown, of backbones that exist only in name."""

from tlf.metrics.figures import Figure
from tlf.metrics.paired import Difference
from tlf.studies.probe.probed import FailedBackbone, Probed, ProbedBackbone, StageProbed


def backbone(name, value, behind=None, stages=()):
    """A backbone whose probes are right at a rate of ``value``."""
    table = {"kind": "timm", "model": name}
    figure = Figure(value, value - 0.05, min(1.0, value + 0.05))
    accuracy = {"logistic": figure, "ridge": Figure(value - 0.01, value - 0.1, value)}
    stages = tuple(StageProbed(stage, 64, figure) for stage in stages)
    return ProbedBackbone(name, table, accuracy, 512, 11_176_512, 44.7, 0.0312, behind, stages)


WORSE = Difference(-0.264, -0.333, -0.196, 245, 50)
NEAR = Difference(-0.01, -0.04, 0.02, 245, 50, images_needed=1234)
PROBED = Probed(
    source="my/images",
    images=245,
    class_counts={"ants": 124, "bees": 121},
    folds=5,
    repeats=10,
    seed=0,
    level=0.983,
    device="cpu",
    backbones=(
        backbone("timm/<large>", 0.968, stages=("stem", "layer1")),
        backbone("timm/near", 0.958, NEAR),
        backbone("torchvision/resnet18@starter", 0.703, WORSE),
    ),
    failed=(FailedBackbone("timm/gone", "no network"),),
    notes=("class 'flies' was left out",),
)
