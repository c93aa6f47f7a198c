"""The help of each command ends with an example, and each example is a valid command line."""

import shlex
from collections.abc import Iterator

import pytest
from cyclopts import App

from tasks_lib.cli import app, run
from tasks_lib.cli.examples import EXAMPLES, commands_of


def leaves(parent: App, *names: str) -> Iterator[str]:
    """Yield the names of the commands that have no commands of their own."""
    for name in parent:
        if not name.startswith("-"):
            children = list(leaves(parent[name], *names, name))
            yield from children or [" ".join((*names, name))]


def test_each_command_has_one_example() -> None:
    depth = {example: len(list(commands_of(app, example))) for example in EXAMPLES}
    named = [" ".join(example.split()[: depth[example]]) for example in EXAMPLES]
    assert sorted(named) == sorted(leaves(app))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_valid_command_line(example: str) -> None:
    command, bound, _ = app.parse_args(shlex.split(example), exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound.arguments or example in {"examples", "reconcile", "db upgrade", "deploy"}


def test_the_help_ends_with_the_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    run(["tasks", "show", "--help"])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1].strip() == "Example: seeding tasks show 7"
