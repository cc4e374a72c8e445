"""How tables of predictions write labels, and what a table must hold: one label for each image, or
any number. The header of a table says which.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tlf.inference.tables import multi_label, single_label

if TYPE_CHECKING:
    from array import array

    from tlf.inference.calibrated import Calibrated
    from tlf.inference.prediction import Prediction
    from tlf.metrics.predicted import AnyPredicted


class Form(Protocol):
    """How the labels of a kind are written."""

    COLUMNS: tuple[str, str]
    TYPECODE: str
    """Of an array of what is parsed."""

    def truth(self, label: Any, classes: Sequence[str], /) -> Mapping[str, str | list[str]]:  # noqa: ANN401 - as the task has it
        """A row of labels, as a tensor has them → the column of the label, and what it holds."""

    def answer(
        self,
        label: Any,  # noqa: ANN401 - as the task has it
        classes: Sequence[str],
        probabilities: Sequence[float],
        /,
    ) -> Mapping[str, str | list[str]]:
        """A row of what is predicted → its column, and what it holds."""

    def prediction(
        self,
        path: str | None,
        by_class: Mapping[str, float],
        label: Any,  # noqa: ANN401 - as the task has it
        calibrated: "Calibrated | None",
        /,
    ) -> "Prediction":
        """The prediction for an image. ``label``: a row of what the task predicts."""

    def parsed(self, cell: str, index: Mapping[str, int], /) -> Sequence[int]:
        """What a cell holds, as a row of labels: of the same length in each cell. Raises
        ValueError.
        """

    def predicted(
        self,
        names: Sequence[str],
        labels: "array[int]",
        said: "array[int]",
        figures: "array[float]",
        classes: tuple[str, ...],
        /,
    ) -> "AnyPredicted":
        """A whole table: the cells, and all probabilities, one after the other. Raises Damaged."""


FORMS: Sequence[Form] = (single_label, multi_label)


def form_of(dimensions: int) -> Form:
    """How labels are written that are the index of a class (N,), or marks (N, K)."""
    return FORMS[dimensions - 1]
