"""The commands ``groups``: list, show and undo."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import Seeding

PATH = "acme/reviews/label-reviews"


@pytest.fixture
def seeding(
    capsys: pytest.CaptureFixture[str],
    catalogue_file: Path,
    csv_file: Callable[..., str],
) -> Seeding:
    """The command line on a store with one group of three tasks, the first of them claimed."""
    seeding = Seeding(capsys)
    assert seeding("apply", str(catalogue_file))[0] == 0
    source = csv_file("review_id,body,stars\n1,one,5\n2,two,4\n3,three,3\n")
    assert seeding("seed", "csv", PATH, source)[0] == 0
    assert seeding("tasks", "claim", PATH, "--as", "ann")[0] == 0
    return seeding


def test_a_group_is_shown_before_and_after_its_undo(seeding: Seeding) -> None:
    status, shown = seeding.json("groups", "show", "1")
    assert (status, shown["state"], shown["tasks"]) == (0, "created", 3)
    assert shown["task_counts"]["pending"] == 2
    assert "1 in_progress" in seeding("groups", "show", "1")[1]
    assert seeding("groups", "undo", "1", "--yes") == (
        0,
        "Group 1: 2 tasks removed; 1 kept, because somebody has worked on them.\n"
        "  task 1: in_progress\n",
        "",
    )
    status, shown = seeding.json("groups", "show", "1")
    assert (shown["state"], shown["tasks"], shown["removed"]) == ("undone", 1, 2)
    assert shown["undone_by"]
    assert " undone by " in seeding("groups", "show", "1")[1]
    assert "  undone  " in seeding("groups", "list", PATH)[1]


def test_a_dry_run_shows_the_numbers_and_changes_nothing(seeding: Seeding) -> None:
    assert seeding.json("groups", "undo", "1", "--dry-run") == (
        0,
        {
            "group_id": 1, "pipeline_id": 1, "state": "created", "removed": 2, "kept": 1,
            "kept_tasks": [{"task_id": 1, "status": "in_progress"}], "dry_run": True,
        },
    )  # fmt: skip
    assert seeding.json("groups", "show", "1")[1]["tasks"] == 3


def test_nobody_who_could_agree_is_a_usage_error(seeding: Seeding) -> None:
    assert seeding("groups", "undo", "1") == (
        2,
        "",
        "error: Group 1: 2 tasks would be removed; 1 kept, because somebody has worked on them. "
        "Undo it? Nobody can answer here: to agree, pass --yes\n",
    )
    assert seeding.json("groups", "show", "1")[1]["state"] == "created"


class Terminal(io.StringIO):
    """A terminal on which somebody types an answer."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "state"), [("y\n", "undone"), ("n\n", "created"), ("", "created")]
)
def test_a_person_is_asked(
    seeding: Seeding, monkeypatch: pytest.MonkeyPatch, typed: str, state: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    status, _, err = seeding("groups", "undo", "1")
    assert err.startswith("Group 1: 2 tasks would be removed;")
    assert status == (0 if state == "undone" else 2)
    assert seeding.json("groups", "show", "1")[1]["state"] == state


def test_the_old_command_still_lists_the_groups_with_a_warning(seeding: Seeding) -> None:
    new = seeding("groups", "list", PATH, "--limit", "1")
    status, out, err = seeding("groups", PATH, "--limit", "1")
    assert (status, out) == new[:2]
    assert err == (
        "warning: seeding groups PIPELINE is deprecated and will be removed in 0.4; "
        "use seeding groups list PIPELINE\n"
    )


def test_a_missing_group_is_a_usage_error(seeding: Seeding) -> None:
    for command in ("show", "undo"):
        assert seeding("groups", command, "9") == (2, "", "error: there is no group 9\n")


def test_a_group_has_the_name_and_the_labels_that_its_seeding_gave_it(
    seeding: Seeding, csv_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    source = csv_file("review_id,body,stars\n4,four,5\n", "more.csv")
    named = ("--name", "late ones", "--label", "batch=night", "--label", "team=a=b")
    assert seeding("seed", "csv", PATH, source, *named)[0] == 0
    status, shown = seeding.json("groups", "show", "2")
    naming = {"name": "late ones", "labels": {"batch": "night", "team": "a=b"}}
    assert (status, {name: shown[name] for name in naming}) == (0, naming)
    text = seeding("groups", "show", "2")[1]
    assert "late ones" in text
    assert "batch=night, team=a=b" in text
    listed = seeding.json("groups", "list", PATH)[1]
    assert [(group["name"], group["labels"]) for group in listed] == [
        (None, {}), (naming["name"], naming["labels"]),
    ]  # fmt: skip
    assert "late ones  batch=night, team=a=b" in seeding("groups", "list", PATH)[1]


def test_a_label_that_is_none_is_a_usage_error(
    seeding: Seeding, csv_file: Callable[..., str]
) -> None:
    source = csv_file("review_id,body,stars\n4,four,5\n", "more.csv")
    assert seeding("seed", "csv", PATH, source, "--label", "night") == (
        2, "", "error: label 'night' must be KEY=VALUE, such as batch=night\n",
    )  # fmt: skip


def test_waiting_shows_the_finished_group(seeding: Seeding) -> None:
    assert seeding("tasks", "submit", "1", "--as", "ann", "--field", "sentiment=good")[0] == 0
    assert seeding("tasks", "withdraw", "2", "3")[0] == 0
    status, shown = seeding.json("groups", "wait", "1")
    assert (status, shown["task_counts"]["finished"], shown["task_counts"]["withdrawn"]) == (
        0,
        1,
        2,
    )
    assert shown["finished_at"] is not None
    assert " finished  " in seeding("groups", "wait", "1", "--timeout", "0")[1]


def test_waiting_ends_when_the_time_is_over(seeding: Seeding) -> None:
    assert seeding("tasks", "set-status", "2", "escalated")[0] == 0
    assert seeding("groups", "wait", "1", "--timeout", "0") == (
        1, "", "error: not finished in 0 seconds: group 1: 0 of 3 tasks done (1 escalated)\n",
    )  # fmt: skip


def test_waiting_for_an_undone_group_is_an_error(seeding: Seeding) -> None:
    assert seeding("groups", "undo", "1", "--yes")[0] == 0
    status, out, error = seeding("groups", "wait", "1")
    assert (status, out) == (1, "")
    assert error.startswith("error: group 1 was undone by ")
    assert error.endswith(
        " while it was awaited: 2 tasks removed; seed it again, or wait for another\n"
    )
