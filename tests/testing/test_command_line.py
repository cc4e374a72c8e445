"""check_command and check_exporter: whole ones pass, and every broken rule is named."""

import pytest

from broken import command_line as broken
from tlf.testing import check_command, check_exporter


def test_whole_ones_pass():
    check_command(broken.whole_command)
    check_exporter(broken.Whole())


@pytest.mark.parametrize("name", broken.COMMANDS)
def test_a_broken_rule_of_a_command_is_named(name):
    broken.COMMANDS.assert_named(name, check_command)


@pytest.mark.parametrize("name", broken.EXPORTERS)
def test_a_broken_rule_of_an_exporter_is_named(name):
    broken.EXPORTERS.assert_named(name, check_exporter)
