"""check_report_panels: whole panels pass, and every broken rule is named."""

import pytest
from markupsafe import Markup

from broken import report_panels as broken
from tlf.reports.panel import Panel
from tlf.testing import check_report_panels


def test_whole_panels_pass():
    check_report_panels(broken.whole)
    check_report_panels(list)
    table = Markup("<table><tr><td>{}</td></tr></table>")
    check_report_panels(lambda report: [Panel("a", "A", table.format(report.predicted.names[0]))])


@pytest.mark.parametrize("name", broken.RULES)
def test_a_broken_rule_is_named(name):
    broken.RULES.assert_named(name, check_report_panels)
