"""A full source without a task's row withdraws the task, unless it was touched; rows can return."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from keyed import HEADER, declare, seed

from people import AT, claim, counts, recount
from tasks_lib.cli.output.console import print_report
from tasks_lib.domain.lifecycle import Move
from tasks_lib.domain.report import Report
from tasks_lib.domain.statuses import OnError
from tasks_lib.operations.datasets.import_request import ImportMode
from tasks_lib.operations.tasks.move import claim_task
from tasks_lib.operations.tasks.read import list_tasks
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.tasks.moves import list_moves
from vault import LABEL, put, seed_dataset, write

SETTINGS = "key: [review_id]\n            on_change: update\n            on_missing: withdraw"
SOURCE = "reviews.csv"
Night = Callable[..., Report]


@pytest.fixture
def night(workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]) -> Night:
    """A function that seeds the rows with these letters as the full source."""
    declare(workspace, catalogue_file, SETTINGS)

    def run(
        letters: str, body: str = "x", name: str = SOURCE, group: str = "", **options: Any
    ) -> Report:
        rows = "".join(f"{letter},{body},\n" for letter in letters)
        source = csv_file(HEADER + rows, name)
        return seed(workspace, source, **{"full": True, "name": group, **options})

    return run


def outcome(report: Report) -> tuple[int, int, int, int, int]:
    return (
        report.created,
        report.already_seeded,
        report.changed,
        report.updated,
        report.withdrawn,
    )


def statuses(workspace: Workspace) -> str:
    """Return the first letter of each task's status, in order."""
    assert counts(workspace.store) == recount(workspace.store)
    return "".join(task.status[0] for task in list_tasks(workspace.store, LABEL, limit=100))


def moves(workspace: Workspace, task_id: int) -> list[tuple[str, str | None]]:
    with workspace.store.read() as session:
        return [(move.move, move.reason) for move in list_moves(session, task_id)]


def test_files_whose_names_differ_in_a_date_are_one_source(
    workspace: Workspace, night: Night
) -> None:
    night("abcde", name="reviews-2026-11-29.csv")
    night("xyz", name="shop-2.csv")
    report = night("abc", name="reviews-2026-11-30.csv")
    assert (outcome(report), statuses(workspace)) == ((0, 3, 0, 0, 2), "pppwwppp")
    night("ab", name="reviews.csv", allow_shrink=True)
    night("ab", name="shop-1.csv", allow_shrink=True)
    assert statuses(workspace) == "pppwwppp"


def test_a_full_source_that_no_earlier_group_is_from_says_so(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    assert night("abc", name="reviews.csv").errors == ()  # the first source of the pipeline
    report = night("ab", name="rewievs.csv")
    assert [(error.row, error.code) for error in report.errors] == [(None, "new_full_source")]
    assert (outcome(report), report.is_rejection) == ((0, 2, 0, 0, 0), False)
    print_report(report, LABEL)
    assert "no earlier group of the pipeline is from this source" in " ".join(
        capsys.readouterr().out.split()
    )
    assert night("abcd", name="reviews.csv").errors == ()


def test_a_name_makes_files_one_source(workspace: Workspace, night: Night) -> None:
    night("abc", name="v1.csv", group="nightly")
    night("xyz", name="other.csv", group="another")
    report = night("ab", name="v2.csv", group="nightly")
    assert (outcome(report), statuses(workspace)) == ((0, 2, 0, 0, 1), "ppwppp")


def test_tasks_whose_rows_are_missing_are_withdrawn_and_returned(
    workspace: Workspace, night: Night
) -> None:
    night("abcde")
    second = night("abc")
    assert (outcome(second), statuses(workspace)) == ((0, 3, 0, 0, 2), "pppww")
    assert second.sentence == (
        "'reviews.csv' withdrew 2 tasks whose row is missing, created none, 3 existed already."
    )
    third = night("abcdf", body="x")
    assert (outcome(third), statuses(workspace)) == ((1, 4, 0, 0, 0), "ppppwp")
    assert moves(workspace, 4) == [
        (Move.MISS, "its row is missing from 'reviews.csv'"),
        (Move.RETURN, "its row has returned"),
    ]
    assert outcome(night("abcde", allow_shrink=True)) == (0, 5, 0, 0, 1)
    assert statuses(workspace) == "pppppw"


def test_a_returning_row_can_have_new_values(workspace: Workspace, night: Night) -> None:
    night("abc")
    night("ab")
    assert outcome(night("abc", body="new")) == (0, 0, 3, 3, 0)
    assert statuses(workspace) == "ppp"


def test_touched_tasks_stay(workspace: Workspace, night: Night) -> None:
    night("abcd")
    claim(workspace.store)
    assert outcome(night("bc")) == (0, 2, 0, 0, 1)
    assert statuses(workspace) == "ippw"


def test_more_than_half_is_withdrawn_only_if_that_is_allowed(
    workspace: Workspace, night: Night
) -> None:
    night("abcde")
    report = night("ab")
    (error,) = report.errors
    assert (error.code, error.message) == (
        "too_many_missing",
        "the source lacks the rows of 3 of its 5 open tasks, more than half, so nothing was "
        "changed; allow_shrink withdraws them",
    )
    assert (report.group_id, outcome(report), statuses(workspace)) == (None, (0,) * 5, "ppppp")
    assert outcome(night("ab", allow_shrink=True)) == (0, 2, 0, 0, 3)


@pytest.mark.parametrize(
    "options",
    [{"full": False}, {"name": "other.csv"}],
    ids=["not a full source", "another source"],
)
def test_other_seedings_withdraw_nothing(
    workspace: Workspace, night: Night, options: dict[str, object]
) -> None:
    night("abcd")
    assert outcome(night("abc", **options)) == (0, 3, 0, 0, 0)
    assert statuses(workspace) == "pppp"


def test_nothing_is_missing_from_a_source_with_rejected_rows(
    workspace: Workspace, night: Night, csv_file: Callable[..., str]
) -> None:
    night("abcd")
    source = csv_file(f"{HEADER}a,x,\nb,x,\nc,x,9\n", SOURCE)
    report = seed(workspace, source, full=True, on_error=OnError.SKIP_ROWS)
    assert (outcome(report), report.rejected) == ((0, 2, 0, 0, 0), 1)
    assert statuses(workspace) == "pppp"


def test_a_dry_run_counts_and_withdraws_nothing(workspace: Workspace, night: Night) -> None:
    night("abcd")
    assert outcome(night("abce", dry_run=True)) == (1, 3, 0, 0, 1)
    assert statuses(workspace) == "pppp"


def test_rows_that_a_dataset_no_longer_has(
    workspace: Workspace, catalogue_file: Path, tmp_path: Path
) -> None:
    declare(workspace, catalogue_file, SETTINGS)
    put(workspace, write(tmp_path, f"{HEADER}a,x,\nb,x,\nc,x,\n"))
    assert outcome(seed_dataset(workspace, full=True)) == (3, 0, 0, 0, 0)
    put(workspace, write(tmp_path, f"{HEADER}a,x,\nc,new,\nd,x,\n"), mode=ImportMode.REPLACE)
    report = seed_dataset(workspace, run_id="run-2", full=True)
    assert (outcome(report), statuses(workspace)) == ((1, 1, 1, 1, 1), "pwpp")


def test_a_claim_and_a_withdrawal_of_the_same_task_do_not_both_win(
    workspace: Workspace, night: Night
) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    night(letters)
    start = Barrier(3)

    def claim_some(name: str) -> list[int]:
        start.wait()
        claimed = [claim_task(workspace.store, 1, name, at=AT) for _ in range(8)]
        return [task.id for task in claimed if task is not None]

    def miss() -> Report:
        start.wait()
        return night("z", allow_shrink=True)

    with ThreadPoolExecutor(3) as pool:
        claims = [pool.submit(claim_some, name) for name in ("ann", "ben")]
        report = pool.submit(miss).result()
        claimed = [task_id for one in claims for task_id in one.result()]
    assert len(claimed) == len(set(claimed))
    in_progress = [place for place, one in enumerate(statuses(workspace), 1) if one == "i"]
    assert in_progress == sorted(claimed)
    assert report.withdrawn == statuses(workspace).count("w")
    assert report.withdrawn + len(set(claimed) - {26}) == 25
