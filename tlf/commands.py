"""What tlf can do: its commands, and the public names of ``tlf`` for programs.

To add a command, add a file in ``tlf/cli/commands`` and a line here. Help, "did you mean",
``tlf.__all__`` and the tests of documents read this table. A name is imported when it is first
used.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "init": {"init": "first_recipe.write", "FirstRecipe": "first_recipe.write"},
    "run": {"run": "runs.run"},
    "resume": {"resume": "runs.resume"},
    "stop": {"stop": "runs.stop"},
    "check": {
        "check": "checks.check",
        "Checked": "checks.checked",
        "write_check": "reports.check_page",
    },
    "probe": {
        "probe": "studies.probe.probe",
        "Probed": "studies.probe.probed",
        "write_probe": "studies.probe.page",
    },
    "lr": {
        "lr": "studies.learning_rate.lr",
        "LearningRates": "studies.learning_rate.found",
        "write_learning_rates": "studies.learning_rate.page",
    },
    "curve": {
        "curve": "studies.learning_curve.curve",
        "LearningCurve": "studies.learning_curve.learning_curve",
        "write_curve": "studies.learning_curve.page",
    },
    "compare": {
        "compare": "studies.compare.compare",
        "Compared": "studies.compare.compared",
        "ComparedRun": "studies.compare.compared",
        "write_comparison": "studies.compare.files",
    },
    "sweep": {
        "sweep": "studies.sweep.sweep",
        "Swept": "studies.sweep.swept",
        "TrialEnded": "studies.sweep.swept",
        "write_sweep": "studies.sweep.files",
    },
    "soup": {"soup": "studies.soup.soup", "Soup": "studies.soup.souped"},
    "history": {"read_history": "runs.history", "read_segments": "runs.history"},
    "report": {"write_report": "reports.run_report"},
    "explain": {"explain": "runs.explain", "Explanation": "runs.explain"},
    "simulate": {"simulate": "simulator.simulate", "SimulatorStarted": "events"},
    "predict": {"predict": "inference.predict", "Prediction": "inference.prediction"},
    "serve": {
        "serve": "serving.serve",
        "ServerStarted": "events",
        "ServingLimits": "serving.limits",
    },
    "evaluate": {
        "evaluate": "evaluation.evaluate",
        "Evaluated": "evaluation.evaluate",
        "write_evaluation": "reports.evaluation_page",
    },
    "export": {
        "export": "exports.export",
        "Exported": "exports.export",
        "write_card": "publishing.card.card",
        "push": "publishing.hub.push",
        "Pushed": "publishing.hub.push",
    },
    "plugins": {"survey_plugins": "plugins.loading"},
    "backbones": {
        "list_backbones": "recipe.reference.backbones",
        "KnownBackbone": "recipe.reference.backbones",
    },
    "options": {
        "recipe_options": "recipe.reference.options",
        "Options": "recipe.reference.options",
    },
    "schema": {"recipe_schema": "recipe.reference.json_schema"},
    "cache": {"open_cache": "cache.store"},
    "new-plugin": {"write_plugin": "plugins.scaffold"},
}
"""Command, in the order of the help → the public names that do the same, with their modules."""

OTHERS: Mapping[str, str] = {
    "EpochResult": "results",
    "Notice": "events",
    "PhaseEnded": "events",
    "PortableHead": "inference.head",
    "Prepared": "events",
    "Recipe": "recipe.schema",
    "RunResult": "results",
    "RunStarted": "runs.folder",
    "SegmentEnded": "events",
    "SegmentStarted": "events",
    "Stored": "events",
    "TlfError": "errors",
    "TrainedClassifier": "inference.classifier",
    "Updated": "events",
    "component": "recipe.component",
    "load_classifier": "inference.predict",
    "load_head": "inference.head",
    "load_recipe": "recipe.plan",
    "show": "cli.progress",
}
"""Public names that belong to no command → their modules."""

NAMES: Mapping[str, str] = {
    name: module for names in (*COMMANDS.values(), OTHERS) for name, module in names.items()
}
"""Every public name of ``tlf`` except its version → its module."""

if TYPE_CHECKING:  # what type checkers read instead of the tables
    from tlf.cache.store import open_cache as open_cache
    from tlf.checks.check import check as check
    from tlf.checks.checked import Checked as Checked
    from tlf.cli.progress import show as show
    from tlf.errors import TlfError as TlfError
    from tlf.evaluation.evaluate import Evaluated as Evaluated
    from tlf.evaluation.evaluate import evaluate as evaluate
    from tlf.events import Notice as Notice
    from tlf.events import PhaseEnded as PhaseEnded
    from tlf.events import Prepared as Prepared
    from tlf.events import SegmentEnded as SegmentEnded
    from tlf.events import SegmentStarted as SegmentStarted
    from tlf.events import ServerStarted as ServerStarted
    from tlf.events import SimulatorStarted as SimulatorStarted
    from tlf.events import Stored as Stored
    from tlf.events import Updated as Updated
    from tlf.exports.export import Exported as Exported
    from tlf.exports.export import export as export
    from tlf.first_recipe.write import FirstRecipe as FirstRecipe
    from tlf.first_recipe.write import init as init
    from tlf.inference.classifier import TrainedClassifier as TrainedClassifier
    from tlf.inference.head import PortableHead as PortableHead
    from tlf.inference.head import load_head as load_head
    from tlf.inference.predict import load_classifier as load_classifier
    from tlf.inference.predict import predict as predict
    from tlf.inference.prediction import Prediction as Prediction
    from tlf.plugins.loading import survey_plugins as survey_plugins
    from tlf.plugins.scaffold import write_plugin as write_plugin
    from tlf.publishing.card.card import write_card as write_card
    from tlf.publishing.hub.push import Pushed as Pushed
    from tlf.publishing.hub.push import push as push
    from tlf.recipe.component import component as component
    from tlf.recipe.plan import load_recipe as load_recipe
    from tlf.recipe.reference.backbones import KnownBackbone as KnownBackbone
    from tlf.recipe.reference.backbones import list_backbones as list_backbones
    from tlf.recipe.reference.json_schema import recipe_schema as recipe_schema
    from tlf.recipe.reference.options import Options as Options
    from tlf.recipe.reference.options import recipe_options as recipe_options
    from tlf.recipe.schema import Recipe as Recipe
    from tlf.reports.check_page import write_check as write_check
    from tlf.reports.evaluation_page import write_evaluation as write_evaluation
    from tlf.reports.run_report import write_report as write_report
    from tlf.results import EpochResult as EpochResult
    from tlf.results import RunResult as RunResult
    from tlf.runs.explain import Explanation as Explanation
    from tlf.runs.explain import explain as explain
    from tlf.runs.folder import RunStarted as RunStarted
    from tlf.runs.history import read_history as read_history
    from tlf.runs.history import read_segments as read_segments
    from tlf.runs.resume import resume as resume
    from tlf.runs.run import run as run
    from tlf.runs.stop import stop as stop
    from tlf.serving.limits import ServingLimits as ServingLimits
    from tlf.serving.serve import serve as serve
    from tlf.simulator.simulate import simulate as simulate
    from tlf.studies.compare.compare import compare as compare
    from tlf.studies.compare.compared import Compared as Compared
    from tlf.studies.compare.compared import ComparedRun as ComparedRun
    from tlf.studies.compare.files import write_comparison as write_comparison
    from tlf.studies.learning_curve.curve import curve as curve
    from tlf.studies.learning_curve.learning_curve import LearningCurve as LearningCurve
    from tlf.studies.learning_curve.page import write_curve as write_curve
    from tlf.studies.learning_rate.found import LearningRates as LearningRates
    from tlf.studies.learning_rate.lr import lr as lr
    from tlf.studies.learning_rate.page import write_learning_rates as write_learning_rates
    from tlf.studies.probe.page import write_probe as write_probe
    from tlf.studies.probe.probe import probe as probe
    from tlf.studies.probe.probed import Probed as Probed
    from tlf.studies.soup.soup import soup as soup
    from tlf.studies.soup.souped import Soup as Soup
    from tlf.studies.sweep.files import write_sweep as write_sweep
    from tlf.studies.sweep.sweep import sweep as sweep
    from tlf.studies.sweep.swept import Swept as Swept
    from tlf.studies.sweep.swept import TrialEnded as TrialEnded
