"""The import rules: one table, checked for every module of the product."""

import ast
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from imported_names import COMPUTED, PACKAGES, ROOT, Module, imports, is_within, modules

BELOW_OPERATIONS = (
    "tasks_lib.store", "tasks_lib.storage", "tasks_lib.intake", "tasks_lib.output",
    "tasks_lib.transport",
    "tasks_lib.domain", "tasks_lib.errors",
)  # fmt: skip
BELOW_STEPS = ("tasks_lib.operations", *BELOW_OPERATIONS)

MAY_IMPORT = {
    "deployments": (
        "flows", "tasks_lib.cli", "tasks_lib.python", "tasks_lib.deploy", "tasks_lib.steps",
        "tasks_lib.settings", "tasks_lib.operations", "tasks_lib.domain", "tasks_lib.errors",
    ),
    "tasks_lib.cli": (
        "flows", "tasks_lib.api", "tasks_lib.deploy", "tasks_lib.settings", "tasks_lib.steps",
        "tasks_lib.operations", "tasks_lib.intake", "tasks_lib.transport", "tasks_lib.domain",
        "tasks_lib.errors", "tasks_lib.__version__",
    ),
    "tasks_lib.deploy": ("flows", "tasks_lib.steps", *BELOW_STEPS),
    "tasks_lib.python": (
        "tasks_lib.settings", "tasks_lib.steps", "tasks_lib.operations", "tasks_lib.intake",
        "tasks_lib.output", "tasks_lib.domain", "tasks_lib.errors",
    ),
    "tasks_lib.api": (
        "tasks_lib.operations", "tasks_lib.intake", "tasks_lib.domain", "tasks_lib.errors",
        "tasks_lib.__version__",
    ),
    "flows": ("tasks_lib.steps", "tasks_lib.operations", "tasks_lib.domain"),
    "tasks_lib.steps": ("tasks_lib.settings", *BELOW_STEPS),
    "tasks_lib.operations": ("tasks_lib.settings", *BELOW_OPERATIONS),
    "tasks_lib.settings": ("tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.store": ("tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.storage": ("tasks_lib.transport", "tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.intake": ("tasks_lib.transport", "tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.output": ("tasks_lib.transport", "tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.transport": ("tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.domain": ("tasks_lib.errors",),
    "tasks_lib.errors": (),
    "tasks_lib.__init__": ("tasks_lib.python",),
    "tasks_lib.__main__": ("tasks_lib.cli",),
}  # fmt: skip
"""The layers that each layer may import from; a layer may always import from itself."""

MAY_IMPORT_PREFECT = ("deployments", "flows", "tasks_lib.deploy", "tasks_lib.steps")
MAY_READ_THE_ENVIRONMENT = ("deployments", "tasks_lib.settings")
MAY_READ_SETTINGS = ("deployments", "tasks_lib.cli", "tasks_lib.python", "tasks_lib.steps")
PURE = ("tasks_lib.domain",)
IMPURE = ("fsspec", "os", "pathlib", "prefect", "pyarrow", "sqlalchemy", "time")


def layer_of(name: str) -> str | None:
    return max((layer for layer in MAY_IMPORT if is_within(name, layer)), key=len, default=None)


def without_a_layer(module: Module) -> Iterator[str]:
    if layer_of(module.name) is None:
        yield "belongs to no layer"


def against_the_layers(module: Module) -> Iterator[str]:
    layer = layer_of(module.name)
    allowed = (layer, *MAY_IMPORT[layer]) if layer else ()
    for imported, _ in imports(module):
        if is_within(imported, *PACKAGES) and not is_within(imported, *allowed):
            yield f"imports {imported}"


def more_than_requests(module: Module) -> Iterator[str]:
    if is_within(module.name, "flows"):
        for imported, _ in imports(module):
            if is_within(imported, "tasks_lib.operations") and not imported.endswith("Request"):
                yield f"imports {imported}"


def eager_flows(module: Module) -> Iterator[str]:
    if is_within(module.name, "tasks_lib.cli"):
        for imported, is_lazy in imports(module):
            if is_within(imported, "flows") and not is_lazy:
                yield f"imports {imported} at once"


def prefect_elsewhere(module: Module) -> Iterator[str]:
    if not is_within(module.name, *MAY_IMPORT_PREFECT):
        for imported, _ in imports(module):
            if is_within(imported, "prefect"):
                yield f"imports {imported}"


def impurity(module: Module) -> Iterator[str]:
    if is_within(module.name, *PURE):
        for imported, _ in imports(module):
            if is_within(imported, *IMPURE):
                yield f"imports {imported}"


def environment_elsewhere(module: Module) -> Iterator[str]:
    if is_within(module.name, *MAY_READ_THE_ENVIRONMENT):
        return
    for imported, _ in imports(module):
        if is_within(
            imported, "os.environ", "os.environb", "os.getenv", "os.getenvb", "pydantic_settings"
        ):
            yield f"imports {imported}"
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.Attribute) and node.attr in {
            "environ", "environb", "getenv", "getenvb",
        }:  # fmt: skip
            yield f"reads {ast.unparse(node)}"


def tables_elsewhere(module: Module) -> Iterator[str]:
    if not is_within(module.name, "tasks_lib.store"):
        for imported, _ in imports(module):
            if is_within(imported, "tasks_lib.store.tables"):
                yield f"imports {imported}"


def settings_elsewhere(module: Module) -> Iterator[str]:
    if not is_within(module.name, *MAY_READ_SETTINGS):
        for imported, _ in imports(module):
            if imported == "tasks_lib.settings.read_settings":
                yield f"imports {imported}"


MAY_READ_THIS_MACHINES_CLOCK = {
    "deployments": "its processes run on one machine",
    "tasks_lib.store.connections.clock": "it compares this machine's clock with the database's",
    "tasks_lib.api.serving.guards": "the access log",
    "tasks_lib.operations.seeding.rejects": "boto3 signs links with this machine's time",
    "tasks_lib.transport.temporary": "the age of files on this machine",
    "tasks_lib.steps.deployments": "a run that is due a little early is planned again",
    "tasks_lib.steps.prefect_api": "for a Prefect server that tells no time",
}
"""The modules that may, each with the reason; everything else asks ``Store.now``."""


def clocks_elsewhere(module: Module) -> Iterator[str]:
    if is_within(module.name, *MAY_READ_THIS_MACHINES_CLOCK):
        return
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("datetime.now", "datetime.utcnow", "date.today", "time.time")
        ):
            yield f"calls {ast.unparse(node.func)}"


MAY_COMPUTE_NAMES = {
    "tasks_lib.deploy.manifest": "it loads the flows that prefect.yaml names, which lie below it"
}
"""The modules that may import by a computed name, each with the reason."""


def computed_names(module: Module) -> Iterator[str]:
    if module.name in MAY_COMPUTE_NAMES:
        return
    for imported, _ in imports(module):
        if imported == COMPUTED:
            yield f"imports {imported}"


def flow_code_in_deployments(module: Module) -> Iterator[str]:
    if not is_within(module.name, "deployments"):
        return
    for imported, _ in imports(module):
        if is_within(
            imported, "prefect.flow", "prefect.task", "prefect.flows.flow", "prefect.tasks.task"
        ):
            yield f"imports {imported}"
    for node in ast.walk(ast.parse(module.source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if ast.unparse(called).rpartition(".")[2] in {"flow", "task"}:
                    yield f"decorates {node.name} with {ast.unparse(decorator)}"


def names_of_the_standard_library(module: Module) -> Iterator[str]:
    named = {module.name.partition(".")[0]}
    if is_within(module.name, "flows"):
        named.add(module.name.rpartition(".")[2])
    for name in sorted(named & sys.stdlib_module_names):
        yield f"hides the standard library's {name}"


class Rule(NamedTuple):
    """A function that finds violations, a module with violations, and the ones in it."""

    violations: Callable[[Module], Iterator[str]]
    example: Module
    expected: list[str]


RULES = {
    "every module belongs to a layer": Rule(
        without_a_layer, Module("tasks_lib.helpers", ""), ["belongs to no layer"]
    ),
    "a module imports only from the layers below it": Rule(
        against_the_layers,
        Module("tasks_lib.domain.fields", "from tasks_lib.store import tables"),
        ["imports tasks_lib.store.tables"],
    ),
    "of the operations, flows import only the types of requests": Rule(
        more_than_requests,
        Module(
            "flows.seed",
            "from tasks_lib.operations.seeding.seed_from_csv import CsvRequest, seed_from_csv",
        ),
        ["imports tasks_lib.operations.seeding.seed_from_csv.seed_from_csv"],
    ),
    "the command line imports flows only when it runs one": Rule(
        eager_flows,
        Module(
            "tasks_lib.cli",
            "from flows.a import a\ndef seed():\n    from flows.b import b",
        ),
        ["imports flows.a.a at once"],
    ),
    "only flows, steps, deploy and deployments import Prefect": Rule(
        prefect_elsewhere,
        Module("tasks_lib.cli", "def seed():\n    from prefect.client import get_client"),
        ["imports prefect.client.get_client"],
    ),
    "the domain knows no database, file, clock or Prefect": Rule(
        impurity,
        Module("tasks_lib.domain.rules", "import os.path, time\nfrom datetime import date"),
        ["imports os.path", "imports time"],
    ),
    "only settings and deployments read the environment": Rule(
        environment_elsewhere,
        Module(
            "tasks_lib.steps.seeding",
            "import os\nfrom os import getenv\nurl = os.environ['SEEDING_DATABASE_URL']",
        ),
        ["imports os.getenv", "reads os.environ"],
    ),
    "only the store imports its tables": Rule(
        tables_elsewhere,
        Module(
            "tasks_lib.operations.chains",
            "from tasks_lib.store import tables\nfrom tasks_lib.store.tables import ChainRow",
        ),
        ["imports tasks_lib.store.tables", "imports tasks_lib.store.tables.ChainRow"],
    ),
    "only the command line, steps and deployments read the settings": Rule(
        settings_elsewhere,
        Module(
            "tasks_lib.operations.seeding",
            "from tasks_lib.settings import Settings, read_settings",
        ),
        ["imports tasks_lib.settings.read_settings"],
    ),
    "the database's clock decides": Rule(
        clocks_elsewhere,
        Module("tasks_lib.cli.tasks", "at = datetime.now(UTC)\nthen = time.time()\n"),
        ["calls datetime.now", "calls time.time"],
    ),
    "an import by name shows which package it imports from": Rule(
        computed_names,
        Module("tasks_lib.cli.seed.run", "import_module(name)\nimport_module(f'flows.{name}')"),
        ["imports a module whose name is computed"],
    ),
    "deployments hold no flow code": Rule(
        flow_code_in_deployments,
        Module(
            "deployments.stack",
            "import prefect\nfrom prefect import flow\n@prefect.flow(name='x')\ndef seed(): ...",
        ),
        ["imports prefect.flow", "decorates seed with prefect.flow(name='x')"],
    ),
    "no flow and no package is named like a module of the standard library": Rule(
        names_of_the_standard_library,
        Module("flows.queue", ""),
        ["hides the standard library's queue"],
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_holds_in_every_module(rule: str) -> None:
    broken = [
        f"{module.name} {violation}"
        for module in modules()
        for violation in RULES[rule].violations(module)
    ]
    assert broken == [], "\n".join(broken)


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_finds_a_module_that_breaks_it(rule: str) -> None:
    violations, example, expected = RULES[rule]
    assert list(violations(example)) == expected


def test_the_rules_see_the_modules_of_every_package() -> None:
    names = {module.name for module in modules()}
    assert {"flows.seed_from_csv", "tasks_lib.errors", "tasks_lib.store.tables.base"} <= names


@pytest.mark.parametrize("name", MAY_COMPUTE_NAMES)
def test_an_exception_for_computed_names_is_needed(name: str) -> None:
    (module,) = [module for module in modules() if module.name == name]
    assert COMPUTED in [imported for imported, _ in imports(module)]


@pytest.mark.parametrize(
    "call",
    [
        "load_flow_from_entrypoint(name)", "load_script_as_module(path)", "runpy.run_module(name)",
        "runpy.run_path(path)", "pkgutil.resolve_name(name)", "importlib.util.find_spec(name)",
    ],
)  # fmt: skip
def test_an_import_by_a_computed_name_is_found_in_every_spelling(call: str) -> None:
    module = Module("tasks_lib.operations.seed", call)
    assert list(computed_names(module)) == ["imports a module whose name is computed"]


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_of_the_table_exists(layer: str) -> None:
    path = ROOT.joinpath(*layer.split("."))
    assert path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("flows.seed", "from tasks_lib.store.engine import Store"),
        ("flows.seed", "from tasks_lib.settings import read_settings"),
        ("flows.seed", "from tasks_lib import cli"),
        ("tasks_lib.steps.seeding", "from flows.seed import seed"),
        ("tasks_lib.operations.seed", "from tasks_lib.steps import seeding"),
        ("tasks_lib.operations.seed", "import_module('tasks_lib.steps.seeding')"),
        ("tasks_lib.operations.seed", "importlib.import_module(f'flows.{name}')"),
        ("tasks_lib.steps.seeding", "load_flow_from_entrypoint(f'flows.{name}.{name}')"),
        ("tasks_lib.steps.seeding", "pkgutil.resolve_name('flows.seed:seed')"),
        ("tasks_lib.operations.seed", "def f():\n    __import__('tasks_lib.cli')"),
        ("tasks_lib.store.engine", "from tasks_lib.settings import Settings"),
        ("tasks_lib.operations.seed", "def f():\n    import tasks_lib.cli"),
        ("tasks_lib.store.engine", "from tasks_lib.intake.archives.archives import Archive"),
        ("tasks_lib.store.engine", "from ..intake.archives import Archive"),
        ("tasks_lib.transport.fetch", "from tasks_lib.storage import files"),
        ("tasks_lib.transport.fetch", "from tasks_lib.intake.archives.archives import Archive"),
        ("tasks_lib.domain.rules", "from tasks_lib.intake.archives.archives import Archive"),
        ("tasks_lib.domain.fields", "from tasks_lib.store import tasks"),
        ("tasks_lib.errors", "from tasks_lib.domain.report import Report"),
        ("tasks_lib.settings", "from tasks_lib.transport.fetch import fetch"),
        ("tasks_lib.api.routes.tasks", "from tasks_lib.store.engine import Store"),
        ("tasks_lib.api.routes.uploads", "from tasks_lib.steps import server"),
        ("tasks_lib.operations.seed", "from tasks_lib.api import wire"),
        ("tasks_lib.cli", "from deployments import stack"),
        ("tasks_lib.cli.tasks", "from tasks_lib.store.engine import Store"),
        ("tasks_lib.cli.tasks", "from tasks_lib.storage.file_storage import Storage"),
        ("flows.seed", "import deployments.stack"),
        ("deployments.stack", "from tasks_lib.store.engine import Store"),
        ("deployments.demo", "from tasks_lib.store import tasks"),
        ("deployments.demo", "def run():\n    import tasks_lib.store.engine"),
        ("deployments.demo", "from tasks_lib.intake.csv_files.csv_intake import Progress"),
        ("tasks_lib.cli.output.console", "from deployments.demo import run"),
        ("tasks_lib.__init__", "from .domain import fields"),
        ("tasks_lib.domain.__init__", "from tasks_lib import *"),
        (
            "tasks_lib.intake.csv_files.csv_reader",
            "if TYPE_CHECKING:\n    from tasks_lib.store import x",
        ),
    ],
)
def test_an_import_that_points_up_or_aside_is_detected(name: str, source: str) -> None:
    assert len(list(against_the_layers(Module(name, source)))) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("flows.seed", "from tasks_lib.steps.seeding import load_csv"),
        ("tasks_lib.cli", "from flows.seed import seed"),
        ("tasks_lib.cli", "from tasks_lib import settings"),
        ("tasks_lib.cli", "def run(name):\n    import_module(f'flows.{name}')"),
        ("tasks_lib.steps.seeding", "from tasks_lib.settings import read_settings"),
        ("tasks_lib.operations.workspace", "from tasks_lib.settings import Settings"),
        ("tasks_lib.operations.workspace", "from tasks_lib.operations.tasks import read"),
        ("tasks_lib.operations.seed", "from tasks_lib.operations import workspace"),
        ("tasks_lib.storage.places", "from tasks_lib.transport.filesystems import filesystem_of"),
        ("tasks_lib.settings", "from tasks_lib.domain.limits import Limits"),
        ("tasks_lib.store.engine", "from . import tables\nfrom ..domain import fields"),
        ("deployments.stack", "from deployments import check\nimport prefect"),
        ("deployments.demo", "from tasks_lib.cli.output.console import print_report"),
        ("tasks_lib.domain.fields", "import json\nfrom tasks_libs import other"),
    ],
)
def test_an_import_that_points_down_is_allowed(name: str, source: str) -> None:
    assert list(against_the_layers(Module(name, source))) == []
