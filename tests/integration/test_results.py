"""Results are the finished tasks of a pipeline or a group, with their values and their makers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from people import AT, claim, finish, make_tasks
from tasks_lib import results, seed
from tasks_lib.domain.report import Report
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.tasks.move import submit_task
from tasks_lib.operations.workspace import Workspace
from vault import LABEL


def frame(*bodies: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "review_id": [f"R-{number}" for number in range(len(bodies))],
            "body": bodies,
            "stars": pd.array([number or None for number in range(len(bodies))], "Int64"),
        }
    )


def test_the_answers_of_a_group(configured: Workspace) -> None:
    other = seed(frame("other"), LABEL)
    report = seed(frame("one", "two", "three"), LABEL, name="night", source="predictions")
    finish(configured.store)
    for contributor, sentiment in (("bob", "good"), ("ann", "bad")):
        task = claim(configured.store, contributor)
        values = {"sentiment": sentiment}
        submit_task(configured.store, task.id, contributor, values, at=AT + timedelta(seconds=90))
    assert report.group_id is not None
    created = find_group(configured.store, report.group_id).group.created_at
    found = results(report)
    expected = pd.DataFrame(
        {
            "task_id": pd.array([2, 3], "Int64"),
            "group_id": pd.array([2, 2], "Int64"),
            "group_name": pd.array(["night", "night"], "string"),
            "key": pd.array([None, None], "string"),
            "review_id": pd.array(["R-0", "R-1"], "string"),
            "body": pd.array(["one", "two"], "string"),
            "stars": pd.array([None, 1], "Int64"),
            "sentiment": pd.Categorical(["good", "bad"], ["good", "bad", "mixed"]),
            "contributor": pd.array(["bob", "ann"], "string"),
            "created_at": pd.Series([created] * 2).astype("datetime64[us, UTC]"),
            "claimed_at": pd.Series([AT] * 2).astype("datetime64[us, UTC]"),
            "finished_at": pd.Series([AT + timedelta(seconds=90)] * 2).astype(
                "datetime64[us, UTC]"
            ),
            "duration_seconds": [90.0, 90.0],
            "source_kind": pd.array(["frame", "frame"], "string"),
            "source": pd.array(["predictions"] * 2, "string"),
            "source_row": pd.array([1, 2], "Int64"),
            "origin_id": pd.array([None, None], "Int64"),
            "chain_id": pd.array([None, None], "Int64"),
        }
    )
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_frame_equal(results(2), expected)
    assert results(other)["contributor"].tolist() == ["ann"]
    assert results(LABEL)["task_id"].tolist() == [1, 2, 3]
    assert results("1")["task_id"].tolist() == [1, 2, 3]


def test_results_since_a_cursor_or_a_time(configured: Workspace, tmp_path: Path) -> None:
    make_tasks(configured, tmp_path, 3)
    first = finish(configured.store)
    seen = results(LABEL)
    assert seen["task_id"].tolist() == [first.id]
    assert results(LABEL, since=seen.attrs["until"])["task_id"].tolist() == []
    task = claim(configured.store)
    later = AT + timedelta(hours=1)
    submit_task(configured.store, task.id, "ann", {"sentiment": "bad"}, at=later)
    news = results(LABEL, since=seen.attrs["until"])
    assert news["task_id"].tolist() == [task.id]
    assert results(LABEL, since=later)["task_id"].tolist() == [task.id]
    assert results(LABEL, since=AT)["task_id"].tolist() == [first.id, task.id]
    with pytest.raises(UsageError) as caught:
        results(LABEL, since=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
    assert "has no time zone" in str(caught.value)


def test_an_arrow_table(configured: Workspace, tmp_path: Path) -> None:
    make_tasks(configured, tmp_path, 2)
    finish(configured.store)
    table = results(LABEL, as_arrow=True)
    assert table.schema.field("stars").type == pa.int64()
    assert table.to_pylist()[0] | {"created_at": None} == {
        "task_id": 1,
        "group_id": 1,
        "group_name": None,
        "key": None,
        "review_id": "people.csv-0",
        "body": "body",
        "stars": 5,
        "sentiment": "good",
        "contributor": "ann",
        "created_at": None,
        "claimed_at": AT.replace(tzinfo=UTC),
        "finished_at": AT,
        "duration_seconds": 0.0,
        "source_kind": "csv",
        "source": str(tmp_path / "people.csv"),
        "source_row": 1,
        "origin_id": None,
        "chain_id": None,
    }
    assert int(table.schema.metadata[b"until"]) == results(LABEL).attrs["until"]


def test_nothing_was_seeded(configured: Workspace, tmp_path: Path) -> None:
    make_tasks(configured, tmp_path, 1)
    finish(configured.store)
    empty = seed(frame(), LABEL)
    assert empty == Report(pipeline_id=1, source="DataFrame")
    found = results(empty)
    assert (len(found), str(found["stars"].dtype)) == (0, "Int64")


def test_what_is_not_there(configured: Workspace) -> None:
    for target in (7, "acme/reviews/nothing"):
        with pytest.raises(NotFoundError):
            results(target)
    with pytest.raises(UsageError):
        results(True)


def test_more_results_than_are_read_at_once(configured: Workspace) -> None:
    count = 5_003
    seed(pd.DataFrame({"review_id": map(str, range(count)), "body": "x", "stars": 3}), LABEL)
    finish_all(configured, count)
    found = results(LABEL)
    assert found["review_id"].tolist() == [str(number) for number in range(count)]


def finish_all(workspace: Workspace, count: int) -> None:
    """Finish all tasks in the order of their rows, without contributors."""
    from sqlalchemy import text

    with workspace.store.write() as session:
        session.execute(
            text(
                "UPDATE tasks SET status = 'finished', finish_number = id, finished_at = :at, "
                'filled_in = \'{"sentiment":"good"}\''
            ),
            {"at": AT.isoformat(" ") if not workspace.store.is_postgresql else AT},
        )
