"""Which architectures can be trained, loaded by their own library, and exported: it tries them.

    python tests/architectures.py [LIBRARY:MODEL]...

tries these architectures, or all of ``NETWORKS``, prints a row for each as soon as it is known, and
writes the rows into the table of ``tlf/inference/ARCHITECTURES.md``. Rows that it did not try stay.
It takes a minute for each architecture on a core.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conftest import draw_images
from places import ROOT

DOCUMENT = ROOT / "tlf" / "inference" / "ARCHITECTURES.md"
SIZES = (64, 128, None)
"""The sides of images that are tried, the smallest first; None is that of the weights."""

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18",
    "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_32",
)  # fmt: skip
"""The smallest member of every family of torchvision's."""

TIMM = (
    "beit_base_patch16_224", "cait_xxs24_224", "coat_tiny", "convit_tiny", "convmixer_768_32",
    "cpubone_nano", "crossvit_tiny_240", "cs3darknet_focus_s", "csatv2", "cspnext_tiny",
    "davit_tiny", "deit_tiny_distilled_patch16_224", "deit_tiny_patch16_224", "densenet121",
    "dla46x_c", "dpn48b", "edgenext_xx_small", "efficientformer_l1", "efficientformerv2_s0",
    "efficientvim_m1", "efficientvit_b0", "efficientvit_m0", "ese_vovnet19b_slim_dw",
    "fasternet_t0", "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny",
    "ghostnet_050", "gmlp_ti16_224", "halonet_h1", "hardcorenas_a", "hgnetv2_b0",
    "hiera_tiny_224", "hrnet_w18_small", "iformer_t", "inception_next_atto",
    "inception_resnet_v2", "inception_v3", "inception_v4", "lcnetv2_small", "legacy_seresnet18",
    "legacy_xception", "levit_128s", "lowformer_b0", "mobilenetv3_small_050", "mobilenetv5_base",
    "mobilevit_xxs", "mvitv2_tiny", "naflexvit_base_patch16_gap", "nasnetalarge", "nest_tiny",
    "nextvit_small", "pit_ti_224", "pit_ti_distilled_224", "pnasnet5large", "poolformerv2_s12",
    "pvt_v2_b0", "qwen3_vit_88m", "rdnet_tiny", "regnetx_002", "repghostnet_050", "repvit_m1",
    "res2next50", "resnest14d", "resnetv2_18", "rexnet_100", "sam2_hiera_tiny",
    "samvit_base_patch16_224", "selecsls42", "sequencer2d_s", "shvit_s1", "skresnet18",
    "starnet_s050", "swiftformer_xs", "swin_tiny_patch4_window7_224", "swinv2_cr_tiny_224",
    "swinv2_tiny_window8_256", "test_byobnet", "test_coatnet", "test_convnext",
    "test_efficientnet", "test_mambaout", "test_nfnet", "test_resnet", "test_vit",
    "test_vit_relpos", "tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "tresnet_m",
    "twins_svt_small", "vgg11_bn", "visformer_tiny", "vit_tiny_r_s16_p8_224",
    "vit_tiny_patch16_dinov3_qkvb", "vitamin_small_224", "volo_d1_224", "xception41p",
    "xcit_nano_12_p8_224",
)  # fmt: skip
"""A small member of every module of timm's, and of each kind of classifier in it."""

HEADS = ("timm:test_vit+attention-pool", "timm:test_resnet+cosine", "timm:test_resnet+mlp")
"""Architectures with another head than a linear one."""

NETWORKS = (
    *(f"torchvision:{name}" for name in TORCHVISION),
    *(f"timm:{name}" for name in TIMM),
    *HEADS,
)

TOO_LARGE = {
    "deepseek_vit": "its smallest network has 412 million weights, on images of 546 px",
    "gemma4_vit": "its smallest network took more than 24 GB of memory",
}
"""timm's modules of which no member is tried → why."""

RECIPE = """
batch_size = 4
precision = "no"
[cache]
mode = "off"
[optimizer]
kind = "adamw"
[[phases]]
name = "all"
epochs = 1
lr = 1e-4
"""
"""Two updates of all parameters, with the images of ``_images``."""


@dataclass(frozen=True)
class Row:
    """What works with one architecture: ``yes``, or what is wrong."""

    network: str
    trains: str
    own_library: str
    torch_export: str
    onnx: str

    def __str__(self) -> str:
        """The row as Markdown."""
        cells = (self.trains, self.own_library, self.torch_export, self.onnx)
        return f"| `{self.network}` | {' | '.join(cells)} |"


def tried(network: str) -> Row:
    """Train a network with two updates, predict, and export it in every way."""
    from tlf.exports import formats

    library, _, named = network.partition(":")
    model, _, head = named.partition("+")
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = _trained(Path(folder), library, model, head or "linear")
            source = _predicting(run, Path(folder, "images"))
        except Exception as error:
            return Row(network, _fault(error), "–", "–", "–")
        return Row(
            network,
            "yes",
            "–" if head else _own_library(source, library),
            _exported(formats.FORMATS["torch-export"], source),
            _exported(formats.FORMATS["onnx"], source),
        )


def _trained(folder: Path, library: str, model: str, head: str) -> Path:
    """The folder of a run on images of the smallest size that the network takes."""
    import tlf
    from tlf.errors import TlfError

    draw_images(folder / "images", 4, 2)
    for size in SIZES:
        sides = [f"transforms.size={size}", f"transforms.resize={size}"] if size else []
        (folder / "recipe.toml").write_text(RECIPE)
        overrides = [
            f"output={folder}/run", f"data={{kind='folder', root='{folder}/images'}}",
            f"backbone={{kind='{library}', model='{model}', weights='none'}}", f"head={head}",
            *sides,
        ]  # fmt: skip
        try:
            *_, result = tlf.run(str(folder / "recipe.toml"), overrides)
        except TlfError:
            if size is None:
                raise
        else:
            return Path(result.folder)
    raise AssertionError


def _predicting(run: Path, images: Path):
    """The model of a run, after a trip through pickle, if it predicts as in the run."""
    import pickle

    import tlf
    from run_files import predictions
    from tlf.exports.formats import Source
    from tlf.inference.metadata import read_metadata

    classifier = pickle.loads(pickle.dumps(tlf.load_classifier(run)))
    rows = predictions(run)
    found = classifier.predict([images / row["path"] for row in rows])
    assert [one.label for one in found] == [row["predicted"] for row in rows]
    return Source(run, classifier, read_metadata(run / "model.safetensors"))


def _own_library(source, library: str) -> str:
    """How the library's own network gets the model."""
    from safetensors.torch import load_file

    from tlf.errors import WeightsError
    from tlf.exports.formats import FORMATS
    from tlf.exports.own_network import own_network
    from tlf.pretrained.own_classifiers import unlike

    if reason := unlike(source.classifier.model.backbone):
        return f"no: {reason}"
    fault = _exported(FORMATS[library], source)
    if fault != "yes":
        return fault
    try:
        own_network(source.metadata).load_state_dict(load_file(source.run / "model.safetensors"))
    except (RuntimeError, WeightsError):
        return f"`--to {library}`"
    return "yes"


def _exported(format_, source) -> str:
    """Whether an export gives what the model gives."""
    from tlf.exports.export import _write_and_compare
    from tlf.exports.parity import read_sample

    file = source.run / format_.file
    try:
        _write_and_compare(format_, source, read_sample(source.run, source.classifier), file, None)
    except Exception as error:
        return _fault(error)
    return "yes"


def _fault(error: Exception) -> str:
    said = " ".join(re.sub(r"/\S+/", "", str(error)).split()).replace("|", "/")
    return f"{type(error).__name__}: {said}"[:240]


def rows() -> dict[str, str]:
    """Architecture → its row in the document."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    return {found[1]: line for line in lines if (found := re.match(r"\| `(\S+:\S+)` \|", line))}


def _write(found: dict[str, str]) -> None:
    """Write the rows into the document, in the order of ``NETWORKS``."""
    head = DOCUMENT.read_text(encoding="utf-8").split("\n| `")[0]
    table = [found[network] for network in NETWORKS if network in found]
    DOCUMENT.write_text("\n".join([head.rstrip("\n"), *table]) + "\n", encoding="utf-8")


def _each(networks: Sequence[str]) -> Iterator[Row]:
    for network in networks:
        yield tried(network)


if __name__ == "__main__":
    for row in _each(sys.argv[1:] or NETWORKS):
        print(row, flush=True)
        _write(rows() | {row.network: str(row)})
