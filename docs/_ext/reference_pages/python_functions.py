"""The functions that Python programs import from ``tasks_lib``."""

import inspect
import re
from collections.abc import Iterator

import tasks_lib
from reference_pages.markdown import code, entry


def public_functions() -> str:
    """Return a section for each function, with its parameters."""
    return "\n\n".join(_function(name) for name in tasks_lib.__all__)


def _function(name: str) -> str:
    function = getattr(tasks_lib, name)
    text = inspect.getdoc(function) or ""
    summary, _, rest = text.partition("\n\nParameters\n----------\n")
    parameters, _, after = re.sub(r"``", "`", rest).partition("\n\n")
    defaults = inspect.signature(function).parameters
    entries = [
        entry(parameter, _notes(defaults[parameter]), meaning)
        for parameter, meaning in _parameters(parameters)
    ]
    return "\n\n".join([f"## {code(f'{name}()')}", summary, "\n".join(entries), after]).strip()


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^(\w+)\n((?:    .+(?:\n|$))+)", text, re.MULTILINE):
        yield match[1], " ".join(line.strip() for line in match[2].splitlines())


def _notes(parameter: inspect.Parameter) -> Iterator[str]:
    if parameter.default is parameter.empty:
        yield "required"
    elif parameter.default not in ("", False, None):
        yield f"default {code(repr(getattr(parameter.default, 'value', parameter.default)))}"
