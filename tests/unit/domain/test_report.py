"""The report: the JSON that programs read, and the sentence that people read."""

import json
import pickle

import pytest

from tasks_lib.domain.report import Report, ReportError, SourceRejectedError
from tasks_lib.errors import Problem, RejectedError

STARS = ReportError(
    row=3, field="stars", code="above_maximum", message="'9' is above the maximum 5"
)
WIDTH = ReportError(
    row=1_204, field=None, code="too_few_cells", message="has 2 cells, the header 3"
)
HEADER = ReportError(
    row=None, field="body", code="missing_column", message="the header lacks the column 'body'"
)
FILE = ReportError(row=None, field=None, code="empty_file", message="the file is empty")


def test_a_report_s_json_has_exactly_the_keys_of_the_contract_in_their_order() -> None:
    report = Report(
        group_id=12,
        pipeline_id=7,
        created=2,
        rejected=1,
        already_seeded=0,
        dry_run=False,
        source="s3://bucket/reviews.csv",
        rejects_uri="file:///home/rejects.csv",
        errors=(STARS, FILE),
    )
    assert report.model_dump_json() == (
        '{"group_id":12,"pipeline_id":7,"created":2,"rejected":1,"already_seeded":0,'
        '"changed":0,"updated":0,"withdrawn":0,"dry_run":false,"source":"s3://bucket/reviews.csv",'
        '"rejects_uri":"file:///home/rejects.csv","errors":['
        '{"row":3,"field":"stars","code":"above_maximum","message":"\'9\' is above the maximum 5"},'
        '{"row":null,"field":null,"code":"empty_file","message":"the file is empty"}]}'
    )


def test_a_minimal_report_still_has_every_key() -> None:
    assert list(Report(pipeline_id=7, source="reviews.csv").model_dump(mode="json").items()) == [
        ("group_id", None),
        ("pipeline_id", 7),
        ("created", 0),
        ("rejected", 0),
        ("already_seeded", 0),
        ("changed", 0),
        ("updated", 0),
        ("withdrawn", 0),
        ("dry_run", False),
        ("source", "reviews.csv"),
        ("rejects_uri", None),
        ("errors", []),
    ]


def test_a_report_is_read_back_from_its_json() -> None:
    report = Report(pipeline_id=7, source="reviews.csv", rejected=1, errors=(STARS, HEADER))
    assert Report.model_validate(json.loads(report.model_dump_json())) == report


@pytest.mark.parametrize(
    ("problem", "error"),
    [
        pytest.param(
            Problem("above_maximum", "'9' is above the maximum 5", 3, "stars"), STARS, id="of a row"
        ),
        pytest.param(Problem("empty_file", "the file is empty"), FILE, id="of the file"),
    ],
)
def test_an_error_holds_the_members_of_its_problem(problem: Problem, error: ReportError) -> None:
    assert ReportError.of(problem) == error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(STARS, "row 3, stars: '9' is above the maximum 5", id="row and field"),
        pytest.param(WIDTH, "row 1,204: has 2 cells, the header 3", id="row"),
        pytest.param(HEADER, "the header lacks the column 'body'", id="field"),
        pytest.param(FILE, "the file is empty", id="neither"),
    ],
)
def test_an_error_reads_as_its_place_and_its_message(error: ReportError, text: str) -> None:
    assert str(error) == text


def report(**values: object) -> Report:
    return Report.model_validate({"pipeline_id": 7, "source": "s3://bucket/reviews.csv", **values})


@pytest.mark.parametrize(
    ("of", "is_rejection"),
    [
        pytest.param(report(created=2), False, id="tasks made"),
        pytest.param(report(created=2, rejected=1, errors=(STARS,)), False, id="rows skipped"),
        pytest.param(report(rejected=1, errors=(STARS,)), True, id="bad row"),
        pytest.param(report(errors=(FILE,)), True, id="bad file"),
        pytest.param(report(rejected=1, errors=(STARS,), dry_run=True), True, id="dry run"),
        pytest.param(report(already_seeded=2), False, id="seeded before"),
        pytest.param(
            report(already_seeded=2, rejected=1, errors=(STARS,)),
            False,
            id="seeded before, skipping",
        ),
        pytest.param(report(), False, id="nothing to do"),
    ],
)
def test_a_report_with_errors_and_without_tasks_is_a_rejection(
    of: Report, is_rejection: bool
) -> None:
    assert of.is_rejection is is_rejection


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        pytest.param(
            report(group_id=12, created=2_000),
            "'reviews.csv' created 2,000 tasks in group 12.",
            id="tasks made",
        ),
        pytest.param(
            report(group_id=12, created=1),
            "'reviews.csv' created 1 task in group 12.",
            id="one task",
        ),
        pytest.param(
            report(group_id=12, created=2, rejected=1, errors=(STARS,)),
            "'reviews.csv' created 2 tasks in group 12, 1 row rejected.",
            id="rows skipped",
        ),
        pytest.param(
            report(created=2, dry_run=True), "'reviews.csv' would create 2 tasks.", id="dry run"
        ),
        pytest.param(
            report(created=2, rejected=3, errors=(STARS,) * 3, dry_run=True),
            "'reviews.csv' would create 2 tasks, 3 rows rejected.",
            id="dry run, skipping",
        ),
        pytest.param(
            report(group_id=12, already_seeded=2_000),
            "'reviews.csv' was seeded before: group 12 holds its 2,000 tasks, "
            "so nothing was created.",
            id="seeded before",
        ),
        pytest.param(
            report(rejected=1, errors=(STARS,)),
            "'reviews.csv' was rejected, nothing was created: 1 row rejected; "
            "row 3, stars: '9' is above the maximum 5.",
            id="one bad row",
        ),
        pytest.param(
            report(rejected=2, errors=(STARS, WIDTH)),
            "'reviews.csv' was rejected, nothing was created: 2 rows rejected; "
            "row 3, stars: '9' is above the maximum 5 (and 1 more problem).",
            id="two bad rows",
        ),
        pytest.param(
            report(rejected=2_000, errors=(STARS,) * 100),
            "'reviews.csv' was rejected, nothing was created: 2,000 rows rejected; "
            "row 3, stars: '9' is above the maximum 5 (and at least 99 more problems).",
            id="more bad rows than a report holds",
        ),
        pytest.param(
            report(rejected=100, errors=(STARS,) * 100),
            "'reviews.csv' was rejected, nothing was created: 100 rows rejected; "
            "row 3, stars: '9' is above the maximum 5 (and at least 99 more problems).",
            id="as many bad rows as a report holds",
        ),
        pytest.param(
            report(rejected=99, errors=(STARS,) * 99),
            "'reviews.csv' was rejected, nothing was created: 99 rows rejected; "
            "row 3, stars: '9' is above the maximum 5 (and 98 more problems).",
            id="one bad row less than a report holds",
        ),
        pytest.param(
            report(errors=(HEADER, FILE)),
            "'reviews.csv' was rejected, nothing was created: the header lacks the column 'body' "
            "(and 1 more problem).",
            id="a bad header and more",
        ),
        pytest.param(
            report(errors=(HEADER,)),
            "'reviews.csv' was rejected, nothing was created: the header lacks the column 'body'.",
            id="bad header",
        ),
        pytest.param(
            report(source="reviews.csv", errors=(FILE,)),
            "'reviews.csv' was rejected, nothing was created: the file is empty.",
            id="a bare file name",
        ),
        pytest.param(
            report(source=f"/data/{'x' * 100}.csv", created=1, group_id=1),
            f"'{'x' * 80}'... (104 characters) created 1 task in group 1.",
            id="a long file name",
        ),
        pytest.param(
            report(
                source="https://e.com/reviews.csv?X-Amz-Signature=secret", created=1, group_id=1
            ),
            "'reviews.csv' created 1 task in group 1.",
            id="a signed URL, without its signature",
        ),
        pytest.param(
            report(source="https://e.com/in/reviews.csv?name=/other/a.csv&b=?c", errors=(FILE,)),
            "'reviews.csv' was rejected, nothing was created: the file is empty.",
            id="a URL, without a path and a question mark in its query",
        ),
        pytest.param(
            report(source="s3://bucket/reviews.csv?versionId=3", already_seeded=1, group_id=12),
            "'reviews.csv' was seeded before: group 12 holds its 1 task, so nothing was created.",
            id="an object's version",
        ),
    ],
)
def test_the_sentence_says_what_happened(of: Report, sentence: str) -> None:
    assert of.sentence == sentence


def test_a_rejected_source_is_an_error_that_says_the_sentence_and_carries_the_report() -> None:
    rejection = report(errors=(FILE,))
    error = SourceRejectedError(rejection)
    assert isinstance(error, RejectedError)
    assert (str(error), error.report, error.code, error.exit_status) == (
        "'reviews.csv' was rejected, nothing was created: the file is empty.",
        rejection,
        "source_rejected",
        1,
    )


def test_a_rejected_source_error_survives_pickling() -> None:
    rejection = report(errors=(STARS,))
    error = pickle.loads(pickle.dumps(SourceRejectedError(rejection)))  # noqa: S301
    assert (type(error), str(error), error.report) == (
        SourceRejectedError,
        rejection.sentence,
        rejection,
    )


def test_a_rejection_that_ends_in_a_question_gets_no_full_stop() -> None:
    error = ReportError(
        row=None, field="Body", code="unknown_column", message="column 'Body'; did you mean 'body'?"
    )
    report = Report(pipeline_id=1, source="a.csv", errors=(error,))
    assert report.sentence == (
        "'a.csv' was rejected, nothing was created: column 'Body'; did you mean 'body'?"
    )
