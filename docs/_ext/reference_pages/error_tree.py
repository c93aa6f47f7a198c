"""The errors that a caller in Python can catch, drawn as the tree that they are."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

from reference_pages.markdown import code
from tasks_lib import api, cli, domain, intake, operations
from tasks_lib.errors import SeedingError


def errors() -> str:
    """Return a nested list of the errors, each with its code, exit status and meaning."""
    for package in (api, cli, domain, intake, operations):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    return "\n".join(_lines(SeedingError, 0))


def _lines(error: type[SeedingError], depth: int) -> Iterator[str]:
    name = code(f"{error.__module__}.{error.__name__}")
    meaning = (inspect.getdoc(error) or "").partition("\n\n")[0].replace("\n", " ")
    numbers = f"Code {code(error.code)}, exit status {error.exit_status}."
    yield f"{'  ' * depth}- {name}: {meaning} {numbers}"
    for below in sorted(error.__subclasses__(), key=lambda kind: kind.__name__):
        if below.__module__.startswith("tasks_lib.") and not below.__name__.startswith("_"):
            yield from _lines(below, depth + 1)
