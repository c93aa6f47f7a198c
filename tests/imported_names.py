"""The modules of the product, and the names that each one imports."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGES = ("deployments", "flows", "tasks_lib")

COMPUTED = "a module whose name is computed"


class Module(NamedTuple):
    """A module's dotted name (a package's is ``….__init__``) and its source."""

    name: str
    source: str

    @property
    def package(self) -> str:
        return self.name.rpartition(".")[0]


class Import(NamedTuple):
    """An imported dotted name, and whether the import is inside a function."""

    name: str
    is_lazy: bool


@cache
def modules() -> list[Module]:
    """Return the modules of all packages."""
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


@cache
def imports(module: Module) -> list[Import]:
    """Return each imported name; of ``from a import b`` it is ``a.b``."""

    def walk(node: ast.AST, *, is_lazy: bool) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, is_lazy) for alias in names)
            case ast.ImportFrom(names=names, module=source, level=level):
                above = module.package.split(".")[: -(level - 1) or None] if level else []
                start = ".".join([*above, *([source] if source else [])])
                yield from (Import(f"{start}.{alias.name}", is_lazy) for alias in names)
            case ast.Call(func=called, args=[name, *_]) if is_import_by_name(called):
                yield Import(name_to_import(name), is_lazy)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, is_lazy=is_lazy or inside)

    return list(walk(ast.parse(module.source), is_lazy=False))


IMPORTS_BY_NAME = {
    "__import__", "find_spec", "import_module", "load_flow_from_entrypoint",
    "load_script_as_module", "resolve_name", "run_module", "run_path",
}  # fmt: skip


def is_import_by_name(called: ast.expr) -> bool:
    return ast.unparse(called).rpartition(".")[2] in IMPORTS_BY_NAME


def name_to_import(argument: ast.expr) -> str:
    """Return the module's name, or as much of it as is written out before a computed part."""
    match argument:
        case ast.Constant(value=str(name)):
            return name
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if "." in start:
            return f"{start.rpartition('.')[0]}.*"
    return COMPUTED
