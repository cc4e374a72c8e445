"""The JSON of an answer."""

from types import SimpleNamespace

import tlf
from tlf.inference.prediction import Prediction
from tlf.serving.answers import answer


def test_each_model_has_a_prediction_for_each_image():
    models = [SimpleNamespace(run=name, sha256=None) for name in "ab"]
    ant, bee = (Prediction(name, 0.5, {"ant": 0.5, "bee": 0.5}, name) for name in ("ant", "bee"))
    found = answer(models, [[ant, bee], [bee, ant], [ant, ant]], top=1)
    assert [one["run"] for one in found["models"]] == ["a", "b"]
    assert found["models"][0]["tlf"] == tlf.__version__
    first, second = ([p["path"] for p in one["predictions"]] for one in found["models"])
    assert (first, second) == (["ant", "bee", "ant"], ["bee", "ant", "ant"])
    assert found["models"][0]["predictions"][0] == ant.as_json(1)
