"""Rows of a Python program become tasks as the rows of a file do: all or none, once."""

import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from people import counts, recount
from tasks_lib import seed
from tasks_lib.domain.report import Report, ReportError, SourceRejectedError
from tasks_lib.domain.statuses import OnError
from tasks_lib.errors import NotFoundError, UsageError
from tasks_lib.intake.frames.open_frame import FrameBatch, open_frame
from tasks_lib.operations.groups.read import find_group
from tasks_lib.operations.seeding.seed_from_frame import FrameRequest, seed_from_frame
from tasks_lib.operations.workspace import Workspace
from vault import LABEL, tasks_of

ROWS: list[dict[str, Any]] = [
    {"review_id": "001", "body": "one", "stars": 5},
    {"review_id": "NA", "body": " two ", "stars": None},
    {"review_id": "12345678901234567890", "body": "three", "stars": 1},
]
TASKS = [
    (1, '{"review_id":"001","body":"one","stars":5}'),
    (2, '{"review_id":"NA","body":" two ","stars":null}'),
    (3, '{"review_id":"12345678901234567890","body":"three","stars":1}'),
]
FRAME = pd.DataFrame(ROWS)
"""Its stars are floats, since one of them is missing."""


def load(workspace: Workspace, data: object, run_id: str = "run-1", **options: Any) -> Report:
    request = FrameRequest(pipeline=LABEL, source="DataFrame", **options)
    return seed_from_frame(workspace, request, open_frame(data), run_id=run_id).report


def as_stream() -> pa.RecordBatchReader:
    return pa.Table.from_pylist(ROWS).to_reader(max_chunksize=2)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: FRAME, id="pandas"),
        pytest.param(FRAME.convert_dtypes, id="pandas-nullable"),
        pytest.param(lambda: FRAME[["stars", "body", "review_id"]], id="other-order"),
        pytest.param(lambda: FRAME.set_index("review_id"), id="named-index"),
        pytest.param(lambda: FRAME.set_axis([7, 8, 9]), id="index-without-a-name"),
        pytest.param(lambda: pa.Table.from_pylist(ROWS), id="arrow-table"),
        pytest.param(as_stream, id="arrow-stream"),
        pytest.param(lambda: ROWS, id="dicts"),
        pytest.param(lambda: iter(ROWS), id="iterator"),
        pytest.param(
            lambda: [{k: v for k, v in row.items() if v is not None} for row in ROWS],
            id="dicts-without-nulls",
        ),
    ],
)
def test_rows_become_tasks(configured: Workspace, data: Any) -> None:
    report = seed(data(), LABEL)
    assert report == Report(group_id=1, pipeline_id=1, created=3, source=report.source)
    assert tasks_of(configured) == TASKS
    assert counts(configured.store) == recount(configured.store)
    again = seed(FRAME, 1, source="again")
    assert again == Report(group_id=1, pipeline_id=1, already_seeded=3, source="again")


def test_the_source_is_named_after_the_data(configured: Workspace) -> None:
    assert seed(FRAME, LABEL, dry_run=True).source == "DataFrame"
    assert seed(pa.Table.from_pylist(ROWS), LABEL, dry_run=True).source == "Arrow table"
    assert seed(ROWS, LABEL, dry_run=True).source == "rows"
    assert tasks_of(configured) == []


def test_rows_that_do_not_fit(configured: Workspace) -> None:
    bad = pd.DataFrame(
        {"review_id": ["1", "2", None], "body": ["one", "\0", "x"], "stars": [9, 1, 2]}
    )
    errors = (
        ReportError(
            row=1, field="stars", code="above_maximum", message="'9' is above the maximum 5"
        ),
        ReportError(
            row=2,
            field="body",
            code="unsupported_value",
            message="holds a NUL character or half of a surrogate pair",
        ),
        ReportError(
            row=3, field="review_id", code="required", message="is required, but the cell is empty"
        ),
    )
    with pytest.raises(SourceRejectedError) as caught:
        seed(bad, LABEL)
    assert caught.value.report.errors == errors
    assert caught.value.report.rejected == 3
    assert tasks_of(configured) == []
    good = pd.concat([FRAME, bad])
    report = seed(good, LABEL, on_error="skip-rows")
    assert (report.created, report.rejected, [error.row for error in report.errors]) == (
        3,
        3,
        [4, 5, 6],
    )
    assert tasks_of(configured) == TASKS


def test_wrong_columns(configured: Workspace) -> None:
    with pytest.raises(SourceRejectedError) as caught:
        seed(FRAME.rename(columns={"body": "Body"})[["review_id", "Body"]], LABEL)
    assert [(error.field, error.message) for error in caught.value.report.errors] == [
        ("Body", "column 'Body' is not a dataset field of the pipeline; did you mean 'body'?"),
        ("stars", "the DataFrame lacks the column 'stars'"),
    ]
    with pytest.raises(SourceRejectedError) as caught:
        seed([{"review_id": "1"}], LABEL)
    assert [error.message for error in caught.value.report.errors] == [
        "the first row lacks the column 'body'"
    ]


def test_a_dict_with_an_unknown_key_and_a_row_that_is_none(configured: Workspace) -> None:
    rows = [*ROWS, {"review_id": "4", "body": "four", "star": 1}, ["5", "five", 5]]
    report = seed(rows, LABEL, on_error="skip-rows")
    assert (report.created, report.errors) == (
        3,
        (
            ReportError(
                row=4,
                field="star",
                code="unknown_field",
                message="'star' is not a dataset field of the pipeline",
            ),
            ReportError(row=5, field=None, code="not_an_object", message="is list, not a dict"),
        ),
    )


@pytest.mark.parametrize(
    "data", [FRAME[:0], [], pa.Table.from_pylist(ROWS)[:0]], ids=["pandas", "list", "arrow"]
)
def test_no_rows_are_no_tasks(configured: Workspace, data: object) -> None:
    report = seed(data, LABEL)
    assert report == Report(pipeline_id=1, source=report.source)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            "reviews.csv",
            "seed() takes rows: a pandas or polars DataFrame, an Arrow table, or an iterable of "
            "dicts. To seed the file 'reviews.csv', use a flow or a command",
        ),
        (
            {"review_id": ["1"]},
            "seed() takes rows: a pandas or polars DataFrame, an Arrow table, or an iterable of "
            "dicts, not dict; make a DataFrame of a dict of columns",
        ),
        (
            FRAME["body"],
            "seed() takes rows: a pandas or polars DataFrame, an Arrow table, or an iterable of "
            "dicts, not Series",
        ),
        (pd.DataFrame([[1]]), "column 0 has a name that is not text; rename it"),
        (
            7,
            "seed() takes rows: a pandas or polars DataFrame, an Arrow table, or an iterable of "
            "dicts, not int",
        ),
    ],
    ids=["path", "dict", "series", "column", "number"],
)
def test_what_holds_no_rows(data: object, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        seed(data, LABEL)
    assert str(caught.value) == sentence


def test_an_unknown_pipeline(configured: Workspace) -> None:
    with pytest.raises(NotFoundError):
        seed(FRAME, "acme/reviews/label-revievs")


def test_more_rows_than_a_batch_in_any_batches(workspace: Workspace) -> None:
    rows = pd.DataFrame({"review_id": map(str, range(25_001)), "body": "x", "stars": 3})
    report = load(workspace, rows)
    assert (report.created, tasks_of(workspace)[-1]) == (
        25_001,
        (25_001, '{"review_id":"25000","body":"x","stars":3}'),
    )
    stream = pa.Table.from_pandas(rows).to_reader(max_chunksize=7_001)
    assert load(workspace, stream, "run-2").already_seeded == 25_001
    assert load(workspace, rows.to_dict("records"), "run-3").already_seeded == 25_001


def test_a_frame_that_changes_while_it_is_read(workspace: Workspace) -> None:
    """Its rows are read for their content, since they may be known, and again for the tasks."""
    load(workspace, FRAME.assign(body="as many rows"), "run-0")
    frame = open_frame(FRAME)
    readings = iter([FRAME, FRAME.assign(body="other")])

    def read(names: Sequence[str]) -> Generator[FrameBatch]:
        return open_frame(next(readings)).read(names)

    request = FrameRequest(pipeline=LABEL, source="DataFrame")
    changing = frame._replace(read=read, may_change=True)
    report = seed_from_frame(workspace, request, changing, run_id="run-1").report
    message = "the DataFrame was changed while it was being read; seed it again"
    assert [(error.code, error.message) for error in report.errors] == [("source_changed", message)]
    assert (report.created, len(tasks_of(workspace))) == (0, 3)
    assert load(workspace, FRAME).created == 3


def test_changes_of_the_callers_frame_do_not_reach_the_rows(workspace: Workspace) -> None:
    frame = FRAME.copy()
    opened = open_frame(frame)
    frame.loc[0, "body"] = "other"
    assert not opened.may_change
    request = FrameRequest(pipeline=LABEL, source="DataFrame")
    assert seed_from_frame(workspace, request, opened, run_id="run-1").report.created == 3
    assert tasks_of(workspace) == TASKS


def test_a_run_that_begins_again_with_other_rows_finds_its_tasks(workspace: Workspace) -> None:
    first = load(workspace, FRAME)
    others = FRAME.assign(body="other")

    def read(_: Sequence[str]) -> Generator[FrameBatch]:
        raise AssertionError("the rows of a run that is done are read")

    frame = open_frame(FRAME)._replace(read=read)
    request = FrameRequest(pipeline=LABEL, source="DataFrame")
    assert seed_from_frame(workspace, request, frame, run_id="run-1").report == first
    assert load(workspace, others, "run-2").created == 3
    assert load(workspace, others, "run-3", allow_duplicate=True).created == 3


def test_processes_of_one_run_at_the_same_time(workspace: Workspace) -> None:
    """Such as a worker that was thought dead, with predictions of its own."""
    frames = [FRAME.assign(body=f"by process {number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        reports = list(pool.map(lambda frame: load(workspace, frame), frames))
    assert {report.group_id for report in reports} == {1}
    assert {report.created for report in reports} == {3}
    assert len(tasks_of(workspace)) == 3


@pytest.mark.parametrize("options", [{}, {"on_error": OnError.SKIP_ROWS}], ids=["all", "some"])
def test_runs_with_the_same_rows_at_the_same_time(
    workspace: Workspace, options: dict[str, Any]
) -> None:
    """None of them knows the content before it has loaded it."""
    frame = FRAME.assign(stars=[5, 9, 1]) if options else FRAME
    expected = 2 if options else 3
    runs = [f"run-{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda run: load(workspace, frame, run, **options), runs))
    assert sorted(report.created for report in reports) == [0] * 5 + [expected]
    assert sorted(report.already_seeded for report in reports) == [0] + [expected] * 5
    assert {report.group_id for report in reports} == {reports[0].group_id}
    assert len(tasks_of(workspace)) == expected
    assert counts(workspace.store) == recount(workspace.store)


def test_a_rejected_run_can_be_repeated(workspace: Workspace) -> None:
    assert load(workspace, FRAME.assign(stars=9)).is_rejection
    assert load(workspace, FRAME).created == 3


def test_importing_the_library_loads_no_other_package() -> None:
    code = "import sys, tasks_lib; print({'prefect', 'pyarrow', 'sqlalchemy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_the_group_has_a_name_and_labels(configured: Workspace) -> None:
    report = seed(FRAME, LABEL, name="night", labels={"model": "v2", "team": "a=b"})
    assert report.group_id is not None
    group = find_group(configured.store, report.group_id).group
    assert (group.name, group.labels) == ("night", {"model": "v2", "team": "a=b"})
