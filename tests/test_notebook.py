"""What a notebook shows of results."""

import numpy as np

from histories import epoch, predicted, two_phases
from tlf.evaluation.evaluate import Evaluated
from tlf.metrics.evaluation import evaluation
from tlf.metrics.predicted import Predicted
from tlf.notebook import MOST_ROWS, html_table
from tlf.results import RunResult
from tlf.tasks.metric import Metric


def test_results_are_small_tables():
    history = two_phases()
    html = history[-1]._repr_html_()
    assert "<caption>all 3</caption>" in html
    assert "<th>eval top-1</th>" in html
    assert "<td>87.50%</td>" in html
    f1 = Metric("macro_f1", "macro-F1", higher_is_better=True, is_rate=True)
    of_recipe = epoch("head", 0, described={"macro_f1": f1})
    of_recipe.metrics["macro_f1"] = 0.5
    assert "<th>eval macro-F1</th>" in (html := of_recipe._repr_html_())
    assert "<td>50.00%</td>" in html
    html = RunResult("runs/<b>", history[-1], history, 12.4, "stopped <i>")._repr_html_()
    assert "<caption>runs/&lt;b&gt;; best: all 3; 12 s; stopped &lt;i&gt;</caption>" in html
    assert html.count("<tr>") == 6


def test_everything_is_escaped_and_long_tables_are_cut():
    html = epoch("<script>", 0)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt; 1" in html
    rows = [[n, "x"] for n in range(1000)]
    html = html_table("many", ["a", "b"], rows)
    assert html.count("<tr>") == MOST_ROWS + 2
    assert "<tr><td>… 950 more</td><td></td></tr>" in html
    assert "<td>999</td>" in html


def test_two_evaluated_models_show_both():
    of = predicted(6)
    figures = evaluation(of, resamples=5)
    other = Evaluated("runs/b", "flowers", "flowers", of, figures)
    html = Evaluated("runs/<a>", "flowers", "flowers", of, figures, other=other)._repr_html_()
    assert html.startswith("<p>runs/&lt;a&gt; on flowers</p><table>")
    assert "<p>runs/b on flowers</p>" in html
    assert html.count("<table>") == 2


def test_an_evaluation_shows_its_figures_with_intervals():
    labels = np.array([0, 0, 1])
    of = Predicted(("a", "b", "c"), labels, np.eye(2)[labels], ("<b>", "ant"))
    html = evaluation(of, resamples=5)._repr_html_()
    assert "<caption>3 images of 2 classes; always &lt;b&gt;: 0.6667</caption>" in html
    assert "<td>nll</td><td>0.0000</td>" in html
