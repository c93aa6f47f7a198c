"""The catalogue of error codes against the code that raises them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import tasks_lib
from tasks_lib.domain.problems import CODES, FILE_CODES, ROW_CODES, VALUE_CODES

LIBRARY = Path(tasks_lib.__file__).parent
CATALOGUE = LIBRARY / "domain" / "problems.py"
MODULES = {
    path.relative_to(LIBRARY).as_posix(): path
    for path in sorted(LIBRARY.rglob("*.py"))
    if path != CATALOGUE
}
RAISERS = {"Problem", "ValueProblemError", "_problem", "_refuse"}


def raised_codes(module: ast.Module) -> Iterator[str]:
    """Yield the codes that are the first argument of a call that makes a problem."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        first = node.args[0]
        if name in RAISERS and isinstance(first, ast.Constant):
            yield str(first.value)


@cache
def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def literals(module: str) -> set[object]:
    return {node.value for node in ast.walk(parse(module)) if isinstance(node, ast.Constant)}


def test_a_code_is_in_exactly_one_of_the_three_parts_of_the_catalogue() -> None:
    parts = [*FILE_CODES, *ROW_CODES, *VALUE_CODES]
    assert sorted(parts) == sorted(set(parts))
    assert list(CODES) == parts


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_a_word_and_its_explanation_one_sentence(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert re.fullmatch(r"[A-Z][^\n]*\.", CODES[code])


@pytest.mark.parametrize("module", MODULES)
def test_a_module_raises_only_codes_of_the_catalogue(module: str) -> None:
    assert set(raised_codes(parse(module))) - set(CODES) == set()


@pytest.mark.parametrize("code", CODES)
def test_a_code_of_the_catalogue_is_used(code: str) -> None:
    assert any(code in literals(module) for module in MODULES)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('Problem("oops", message)', id="a problem"),
        pytest.param('raise ValueProblemError("oops", message)', id="a problem of a value"),
        pytest.param('_refuse("oops", text, reason)', id="a refused value"),
        pytest.param('raise SourceProblemError(problems.Problem("oops", "m"))', id="nested"),
        pytest.param('raise _problem("oops", message) from None', id="a source's problem"),
    ],
)
def test_a_code_that_is_raised_is_found_in_the_source(source: str) -> None:
    assert list(raised_codes(ast.parse(source))) == ["oops"]


def test_the_library_raises_codes_that_are_found() -> None:
    codes = {code for module in MODULES for code in raised_codes(parse(module))}
    assert {"required", "source_not_found", "unknown_column", "unclosed_quote"} <= codes
