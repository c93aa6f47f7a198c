"""The commands that list: pages, whole lines for programs, and pipelines with their counts."""

from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import pytest
from cyclopts import App

from command_line import Seeding
from tasks_lib.cli import app
from tasks_lib.cli.tasks import SettableStatus
from tasks_lib.domain.lifecycle import BY_STATUS

PATH = "acme/reviews/label-reviews"
LONG = "a body of more than eighty characters " * 5
CATALOGUE = """
organizations:
  - name: acme
    projects:
      - name: reviews
        pipelines:
          - name: label-reviews
            status: active
            claim_timeout: 90m
            retention: {finished: 90d, withdrawn: 36h}
            fields:
              - {name: review_id, type: text, source: dataset, pattern: "[0-9]+"}
              - {name: body, type: long_text, source: dataset, required: false}
              - {name: label, type: single_select, source: input, options: [good, bad]}
          - {name: audit, status: draft, fields: [{name: note, type: text, source: input}]}
  - name: globex
    projects:
      - name: ideas
        pipelines:
          - {name: collect, status: active, fields: [{name: idea, type: text, source: input}]}
"""


@pytest.fixture
def seeding(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Seeding:
    """The command line on a store with seven tasks in two groups, of which one is finished."""
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    seeding = Seeding(capsys)
    assert seeding("apply", str(tmp_path / "catalogue.yaml"))[0] == 0
    for name, rows in (("first", range(1, 6)), ("second", range(6, 8))):
        source = tmp_path / f"{name}.csv"
        lines = "".join(f"{row},{LONG}\n" for row in rows)
        source.write_text(f"review_id,body\n{lines}", encoding="utf-8")
        assert seeding("seed", "csv", PATH, str(source))[0] == 0
    assert seeding("tasks", "claim", PATH, "--as", "ann")[0] == 0
    assert seeding("tasks", "submit", "1", "--as", "ann", "--field", "label=good")[0] == 0
    return seeding


def ids(documents: list[dict[str, Any]]) -> list[int]:
    return [document["id"] for document in documents]


@pytest.mark.parametrize(
    ("options", "pages", "total"),
    [
        ([], [[1, 2, 3], [4, 5, 6], [7]], 7),
        (["--status", "pending"], [[2, 3, 4], [5, 6, 7]], 6),
        (["--status", "finished"], [[1]], 1),
        (["--status", "escalated"], [[]], 0),
        (["--group", "1"], [[1, 2, 3], [4, 5]], 5),
        (["--group", "1", "--status", "pending"], [[2, 3, 4], [5]], 4),
    ],
)
def test_tasks_are_listed_page_by_page(
    seeding: Seeding, options: list[str], pages: list[list[int]], total: int
) -> None:
    after = "0"
    for number, page in enumerate(pages, start=1):
        arguments = ["tasks", "list", PATH, *options, "--limit", "3", "--after", after]
        assert ids(seeding.json(*arguments)[1]) == page
        _, out, err = seeding(*arguments)
        after = str(page[-1]) if page else "0"
        left = f"hint: {len(page)} of {total}; list the next ones with: --after {after}\n"
        assert err == (left if number < len(pages) else "")
        assert [line.split()[0] for line in out.splitlines()[1:]] == list(map(str, page))


@pytest.mark.parametrize(
    ("command", "cursors"),
    [
        (["pipeline", "list"], ["1", "2", "3"]),
        (["pipeline", "list", "acme"], ["1", "2"]),
        (["groups", "list", PATH], ["1", "2"]),
    ],
)
def test_lists_have_pages(seeding: Seeding, command: list[str], cursors: list[str]) -> None:
    assert list(map(str, ids(seeding.json(*command)[1]))) == cursors
    after: list[str] = []
    for cursor in cursors:
        page = [*command, "--limit", "1", *after]
        assert ids(seeding.json(*page)[1]) == [int(cursor)]
        err = seeding(*page)[2]
        rest = f"hint: 1 of {len(cursors)}; list the next ones with: --after {cursor}\n"
        assert err == (rest if cursor != cursors[-1] else "")
        after = ["--after", cursor]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["groups", "list", PATH, "--limit", "0"], "the limit is 0; it must be at least 1"),
        (["tasks", "list", PATH, "--limit", "-1"], "the limit is -1; it must be at least 1"),
        (
            ["groups", "list", PATH, "--after", "9"],
            "--after '9' is not in the list; list again from its start",
        ),
    ],
)
def test_a_page_that_cannot_be_is_a_usage_error(
    seeding: Seeding, arguments: list[str], sentence: str
) -> None:
    assert seeding(*arguments) == (2, "", f"error: {sentence}\n")


def test_a_program_gets_whole_lines(seeding: Seeding, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):  # as in a plain pipe
        monkeypatch.delenv(name, raising=False)
    out = seeding("tasks", "list", PATH)[1]
    assert f'{{"review_id":"2","body":"{LONG}"}}' in out
    assert len(out.splitlines()) == 8


def test_a_narrow_terminal_gets_lines_that_fit(
    seeding: Seeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out = seeding("tasks", "list", PATH)[1]
    assert {len(line) for line in out.splitlines()} == {60}


def test_pipelines_are_listed_with_their_tasks(seeding: Seeding) -> None:
    rows = [line.split() for line in seeding("pipeline", "list")[1].splitlines()]
    assert rows == [
        ["pipeline", "path", "status", "tasks", "pending", "finished"],
        ["1", PATH, "active", "7", "6", "1"],
        ["2", "acme/reviews/audit", "draft", "0", "0", "0"],
        ["3", "globex/ideas/collect", "active", "0", "0", "0"],
    ]
    assert seeding("pipeline", "list", "acne")[::2] == (
        2, "error: there is no organization 'acne'; did you mean 'acme'?\n",
    )  # fmt: skip


def test_a_pipeline_is_shown_with_its_fields(seeding: Seeding) -> None:
    shown = seeding("pipeline", "show", PATH)[1]
    lines = [line.strip().split(maxsplit=4) for line in shown.splitlines()]
    assert lines == [
        ["pipeline", "1,", PATH],
        ["status", "active"],
        ["tasks", "6", "pending,", "1", "finished"],
        ["claim", "timeout", "1:30:00"],
        ["retention", "finished", "90d,", "withdrawn", "36h"],
        ["field", "type", "source", "required", "limits"],
        ["review_id", "text", "dataset", "yes", "pattern [0-9]+"],
        ["body", "long_text", "dataset", "no"],
        ["label", "single_select", "input", "yes", 'options ["good", "bad"]'],
    ]
    status, document = seeding.json("pipeline", "show", "1")
    assert (status, document["path"], document["task_total"], document["claim_timeout"]) == (
        0, PATH, 7, 5_400,
    )  # fmt: skip
    assert document["fields"][2] == {
        "name": "label", "type": "single_select", "source": "input", "required": True,
        "options": ["good", "bad"],
    }  # fmt: skip


def test_the_words_help_and_version_are_options_too(seeding: Seeding) -> None:
    for words, options in (
        (["help"], ["--help"]),
        (["help", "tasks", "list"], ["tasks", "list", "--help"]),
        (["version"], ["--version"]),
    ):
        assert seeding(*words) == seeding(*options)
        assert seeding(*words)[0] == 0


def test_a_rejection_of_the_whole_source_is_said_once(seeding: Seeding) -> None:
    status, out, err = seeding("seed", "csv", PATH, "nothing.csv")
    assert (status, out, err.count("nothing.csv does not exist")) == (2, "", 1)


def test_the_statuses_to_set_are_those_of_the_lifecycle() -> None:
    assert list(get_args(SettableStatus)) == [status.value for status in BY_STATUS]


def commands(parent: App, *names: str) -> Iterator[tuple[str, App]]:
    for name in parent:
        if not name.startswith("-"):
            yield " ".join((*names, name)), parent[name]
            yield from commands(parent[name], *names, name)


LISTS = {
    "audit": [],
    "chain list": ["acme"],
    "dataset list": ["acme"],
    "groups list": [PATH],
    "key list": ["acme"],
    "mapping list": [PATH],
    "pipeline list": [],
    "tasks list": [PATH],
}


def cursor_of(command: str, entry: dict[str, Any]) -> str:
    """Return the cursor that the reference of the command line promises."""
    if command == "mapping list":
        return f"{entry['name']}@{entry['version']}"
    return str(entry["name"] if command == "dataset list" else entry["id"])


def test_all_commands_that_list_are_known() -> None:
    known = {
        name
        for name, command in commands(app)
        if command.default_command is not None
        and (
            name.endswith(" list")
            or {"after", "json"} <= set(signature(command.default_command).parameters)
        )
    }
    assert known == {*LISTS, "results show"}  # which prints rows, and where they end


def test_each_list_is_an_array_whose_pages_end_with_their_cursor(
    seeding: Seeding, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("review_id,body\n90,b\n", encoding="utf-8")
    triggers = {"nightly": "task-completion", "weekly": "pipeline-completion"}
    for name in triggers:
        source = str(tmp_path / "rows.csv")
        assert seeding("dataset", "import", "acme", name, source)[0] == 0
        saved = ["--save-mapping", name, "--reseed"]
        assert seeding("seed", "dataset", PATH, name, *saved)[0] == 0
        assert seeding("key", "create", "acme")[0] == 0
        chain = ["chain", "create", PATH, "acme/reviews/audit", "--map", "review_id=note"]
        assert seeding(*chain, "--on", triggers[name])[0] == 0
    for command, arguments in LISTS.items():
        words = command.split()
        whole = seeding.json(*words, *arguments, "--limit", "1000")[1]
        assert type(whole) is list
        assert len(whole) >= 2
        pages: list[dict[str, Any]] = []
        after: list[str] = []
        while page := seeding.json(*words, *arguments, "--limit", "1", *after)[1]:
            pages += page
            after = ["--after", cursor_of(command, page[-1])]
        assert pages == whole
