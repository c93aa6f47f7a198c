"""Whether a pipeline accepts tasks from a file, and the status in which they start."""

import pytest

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field
from tasks_lib.domain.intake_rules import why_closed, why_no_csv
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import Problem


def field(name: str, kind: str = "text", source: str = "dataset") -> Field:
    return Field.model_validate({"name": name, "type": kind, "source": source})


def pipeline(status: str = "active", *fields: Field) -> Pipeline:
    return Pipeline(
        id=7,
        name="label",
        project_id=3,
        project="reviews",
        organization_id=2,
        organization="acme",
        status=PipelineStatus(status),
        fields=fields,
    )


BODY, VERDICT = field("body"), field("verdict", source="input")
FRONT, BACK = field("front", "file"), field("back", "file")
PROOF = field("proof", "file", source="input")


def closed(status: str) -> Problem:
    return Problem(
        "pipeline_closed",
        f"pipeline acme/reviews/label is {status} and takes no tasks; "
        "set its status to active in the catalogue and apply it",
    )


NO_FIELDS = Problem(
    "no_dataset_fields",
    "pipeline acme/reviews/label has no dataset fields for a file to fill",
)


def files(names: str) -> Problem:
    return Problem(
        "has_file_fields",
        f"pipeline acme/reviews/label has file fields ({names}), which a CSV alone cannot fill; "
        "seed a ZIP instead",
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("draft", closed("draft")),
        ("active", None),
        ("paused", None),
        ("completed", None),
        ("archived", closed("archived")),
    ],
)
def test_only_drafts_and_archived_pipelines_accept_no_tasks(
    status: str, reason: Problem | None
) -> None:
    assert why_closed(pipeline(status)) == reason


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        pytest.param(pipeline("active", BODY, VERDICT), None, id="dataset and input fields"),
        pytest.param(pipeline("paused", BODY), None, id="paused"),
        pytest.param(pipeline("completed", BODY), None, id="completed"),
        pytest.param(pipeline("active", BODY, PROOF), None, id="a file that a contributor gives"),
        pytest.param(pipeline("active"), NO_FIELDS, id="no fields"),
        pytest.param(pipeline("active", VERDICT), NO_FIELDS, id="input fields only"),
        pytest.param(pipeline("active", BODY, FRONT), files("front"), id="a file field"),
        pytest.param(pipeline("active", FRONT, BODY, BACK), files("front, back"), id="two files"),
        pytest.param(pipeline("draft", BODY), closed("draft"), id="draft"),
        pytest.param(pipeline("archived", FRONT), closed("archived"), id="closed comes first"),
    ],
)
def test_a_csv_seeds_an_open_pipeline_with_dataset_fields_and_no_files(
    of: Pipeline, reason: Problem | None
) -> None:
    assert why_no_csv(of) == reason
