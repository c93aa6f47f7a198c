"""Who may import whom: one table, held against every module of the product."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("deployments", "flows", "tasks_lib")

BELOW_OPERATIONS = (
    "tasks_lib.store", "tasks_lib.storage", "tasks_lib.intake", "tasks_lib.policy",
    "tasks_lib.domain", "tasks_lib.errors",
)  # fmt: skip
BELOW_STEPS = ("tasks_lib.operations", *BELOW_OPERATIONS)

MAY_IMPORT = {
    "deployments": (
        "flows", "tasks_lib.steps", "tasks_lib.console", "tasks_lib.operations",
        "tasks_lib.settings", "tasks_lib.domain", "tasks_lib.errors",
    ),
    "tasks_lib.cli": (
        "flows", "tasks_lib.steps", "tasks_lib.api", "tasks_lib.console", "tasks_lib.settings",
        *BELOW_STEPS,
    ),
    "tasks_lib.api": (
        "tasks_lib.operations", "tasks_lib.policy", "tasks_lib.domain", "tasks_lib.errors",
    ),
    "tasks_lib.console": BELOW_STEPS,
    "flows": ("tasks_lib.steps", "tasks_lib.operations", "tasks_lib.domain"),
    "tasks_lib.steps": ("tasks_lib.settings", *BELOW_STEPS),
    "tasks_lib.operations": BELOW_OPERATIONS,
    "tasks_lib.operations.workspace": ("tasks_lib.settings", *BELOW_STEPS),
    "tasks_lib.settings": (
        "tasks_lib.api.limits", "tasks_lib.intake.limits", "tasks_lib.errors",
    ),
    "tasks_lib.store": ("tasks_lib.policy", "tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.storage": (
        "tasks_lib.intake.attempts", "tasks_lib.intake.transports", "tasks_lib.policy",
        "tasks_lib.domain", "tasks_lib.errors",
    ),
    "tasks_lib.intake": ("tasks_lib.policy", "tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.policy": ("tasks_lib.domain", "tasks_lib.errors"),
    "tasks_lib.domain": ("tasks_lib.errors",),
    "tasks_lib.errors": (),
    "tasks_lib.__init__": (),
    "tasks_lib.__main__": ("tasks_lib.cli",),
}  # fmt: skip
"""What a layer may import of the product besides itself; the longest name that fits counts."""

MAY_IMPORT_PREFECT = ("deployments", "flows", "tasks_lib.steps")
MAY_READ_THE_ENVIRONMENT = ("deployments", "tasks_lib.settings")
PURE = ("tasks_lib.domain", "tasks_lib.policy")
IMPURE = ("fsspec", "os", "pathlib", "prefect", "pyarrow", "sqlalchemy", "time")


class Module(NamedTuple):
    """A module's dotted name (a package's is ``….__init__``) and its source."""

    name: str
    source: str

    @property
    def package(self) -> str:
        return self.name.rpartition(".")[0]


class Import(NamedTuple):
    """The dotted name that is imported, and whether inside a function only."""

    name: str
    is_lazy: bool


def modules() -> list[Module]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [
        Module(
            ".".join(path.relative_to(ROOT).with_suffix("").parts),
            path.read_text(encoding="utf-8"),
        )
        for path in paths
    ]


def is_within(name: str, *places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def imports(module: Module) -> Iterator[Import]:
    """Each import statement's names: of ``from a import b`` it is ``a.b``."""

    def walk(node: ast.AST, *, is_lazy: bool) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, is_lazy) for alias in names)
            case ast.ImportFrom(names=names, module=source, level=level):
                above = module.package.split(".")[: -(level - 1) or None] if level else []
                start = ".".join([*above, *([source] if source else [])])
                yield from (Import(f"{start}.{alias.name}", is_lazy) for alias in names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, is_lazy=is_lazy or inside)

    return walk(ast.parse(module.source), is_lazy=False)


def layer_of(name: str) -> str | None:
    return max((layer for layer in MAY_IMPORT if is_within(name, layer)), key=len, default=None)


def without_a_layer(module: Module) -> Iterator[str]:
    if layer_of(module.name) is None:
        yield "stands in no layer"


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
    """What must not be, how to find it, and a module in which it is found."""

    violations: Callable[[Module], Iterator[str]]
    example: Module
    found: list[str]


RULES = {
    "every module stands in a layer": Rule(
        without_a_layer, Module("tasks_lib.helpers", ""), ["stands in no layer"]
    ),
    "a module imports only what lies below it": Rule(
        against_the_layers,
        Module("tasks_lib.domain.fields", "from tasks_lib.store import tables"),
        ["imports tasks_lib.store.tables"],
    ),
    "of the operations, flows import only the types of requests": Rule(
        more_than_requests,
        Module(
            "flows.seed",
            "from tasks_lib.operations.seed_from_csv import CsvRequest, seed_from_csv",
        ),
        ["imports tasks_lib.operations.seed_from_csv.seed_from_csv"],
    ),
    "the command line imports flows only when it runs one": Rule(
        eager_flows,
        Module(
            "tasks_lib.cli",
            "from flows.a import a\ndef seed():\n    from flows.b import b",
        ),
        ["imports flows.a.a at once"],
    ),
    "only flows, steps and deployments import Prefect": Rule(
        prefect_elsewhere,
        Module("tasks_lib.cli", "def seed():\n    from prefect.client import get_client"),
        ["imports prefect.client.get_client"],
    ),
    "domain and policy know no database, file, clock or Prefect": Rule(
        impurity,
        Module("tasks_lib.policy.rules", "import os.path, time\nfrom datetime import date"),
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
    violations, example, found = RULES[rule]
    assert list(violations(example)) == found


def test_the_rules_see_the_modules_of_every_package() -> None:
    names = {module.name for module in modules()}
    assert {"flows.seed_from_csv", "tasks_lib.errors", "tasks_lib.store.tables.base"} <= names


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
        ("tasks_lib.operations.seed", "from tasks_lib.settings import Settings"),
        ("tasks_lib.operations.seed", "def f():\n    import tasks_lib.cli"),
        ("tasks_lib.store.engine", "from tasks_lib.intake.limits import Limits"),
        ("tasks_lib.store.engine", "from ..intake.limits import Limits"),
        ("tasks_lib.intake.sources", "from tasks_lib.storage import files"),
        ("tasks_lib.storage.files", "from tasks_lib.intake.sources import fetch"),
        ("tasks_lib.policy.rules", "from tasks_lib.intake.limits import Limits"),
        ("tasks_lib.domain.fields", "from tasks_lib.policy import intake_rules"),
        ("tasks_lib.errors", "from tasks_lib.domain.report import Report"),
        ("tasks_lib.settings", "from tasks_lib.intake.sources import fetch"),
        ("tasks_lib.console", "from tasks_lib import cli"),
        ("tasks_lib.api.tasks", "from tasks_lib.store.engine import Store"),
        ("tasks_lib.api.uploads", "from tasks_lib.steps import server"),
        ("tasks_lib.operations.seed", "from tasks_lib.api import wire"),
        ("tasks_lib.cli", "from deployments import stack"),
        ("flows.seed", "import deployments.stack"),
        ("deployments.stack", "from tasks_lib.store.engine import Store"),
        ("deployments.demo", "from tasks_lib.store import tasks"),
        ("deployments.demo", "def run():\n    import tasks_lib.store.engine"),
        ("deployments.demo", "from tasks_lib import cli"),
        ("deployments.demo", "from tasks_lib.intake.csv_intake import Progress"),
        ("tasks_lib.console", "from deployments.demo import run"),
        ("tasks_lib.__init__", "from .domain import fields"),
        ("tasks_lib.domain.__init__", "from tasks_lib import *"),
        ("tasks_lib.intake.csv_reader", "if TYPE_CHECKING:\n    from tasks_lib.store import x"),
    ],
)
def test_an_import_that_points_up_or_aside_is_found(name: str, source: str) -> None:
    assert len(list(against_the_layers(Module(name, source)))) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("flows.seed", "from tasks_lib.steps.seeding import load_csv"),
        ("tasks_lib.cli", "from flows.seed import seed"),
        ("tasks_lib.cli", "from tasks_lib import console, settings"),
        ("tasks_lib.steps.seeding", "from tasks_lib.settings import read_settings"),
        ("tasks_lib.operations.workspace", "from tasks_lib.settings import Settings"),
        ("tasks_lib.operations.workspace", "from tasks_lib.operations import queries"),
        ("tasks_lib.operations.seed", "from tasks_lib.operations import workspace"),
        ("tasks_lib.storage.files", "from tasks_lib.intake.transports import explained"),
        ("tasks_lib.settings", "from tasks_lib.intake.limits import Limits"),
        ("tasks_lib.store.engine", "from . import tables\nfrom ..domain import fields"),
        ("deployments.stack", "from deployments import check\nimport prefect"),
        ("deployments.demo", "from tasks_lib import console"),
        ("deployments.demo", "from tasks_lib.console import print_report"),
        ("tasks_lib.domain.fields", "import json\nfrom tasks_libs import other"),
    ],
)
def test_an_import_that_points_down_is_let_pass(name: str, source: str) -> None:
    assert list(against_the_layers(Module(name, source))) == []
