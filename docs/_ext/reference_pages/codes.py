"""The stable names: error codes and events."""

from collections.abc import Iterator, Mapping
from typing import Final

from reference_pages.markdown import code, entry, example, with_settings
from tasks_lib.api.errors import CODES as API_CODES
from tasks_lib.domain import events as domain_events
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.events import Event
from tasks_lib.domain.naming import Naming
from tasks_lib.domain.problems import FILE_CODES, ROW_CODES, VALUE_CODES
from tasks_lib.domain.report import Report, ReportError
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import Problem

_PIPELINE: Final = Pipeline(
    id=1, name="label-reviews", project_id=1, project="reviews", organization_id=1,
    organization="acme", status=PipelineStatus.ACTIVE,
)  # fmt: skip
_SOURCE: Final = "s3://inbox/reviews.csv"
_RUN_ID: Final = "0674e5b1-5a1c-7c0f-8000-4c1f2d6b3a55"
_RUN_URL: Final = f"http://127.0.0.1:4200/runs/flow-run/{_RUN_ID}"
_NAMING: Final = Naming("reviews of January", {"batch": "night"})


def file_error_codes() -> str:
    """Return the codes of problems with a source as a whole."""
    return _codes(FILE_CODES)


def row_error_codes() -> str:
    """Return the codes of rows that cannot be read."""
    return _codes(ROW_CODES)


def value_error_codes() -> str:
    """Return the codes of values that do not fit their field."""
    return _codes(VALUE_CODES)


def api_error_codes() -> str:
    """Return the codes of the HTTP API's errors with their statuses."""
    return "\n".join(
        entry(name, [str(status)], with_settings(text))
        for name, (status, text) in API_CODES.items()
    )


def events() -> str:
    """Return a section for each event: when it is emitted, and an example of its payload."""
    examples = {event.event: event for event in example_events()}
    parts = []
    for name, meaning in domain_events.EVENTS.items():
        parts += [f"## {code(name)}", meaning, example(examples[name].payload)]
    return "\n\n".join(parts)


def example_events() -> Iterator[Event]:
    """Yield one event of each name."""
    row = Problem("above_maximum", "'9' is above the maximum 5", 5, "stars")
    created = Report(
        group_id=1,
        pipeline_id=1,
        created=4,
        rejected=1,
        source=_SOURCE,
        rejects_uri=f"s3://lake/seeding/rejects/{_RUN_ID}.csv",
        errors=(ReportError.of(row),),
    )
    problem = Problem("empty_file", "the file is empty")
    rejected = Report(pipeline_id=1, source=_SOURCE, errors=(ReportError.of(problem),))
    yield from domain_events.report_events(_PIPELINE, created, "", _RUN_URL, _NAMING)
    yield from domain_events.report_events(_PIPELINE, rejected, "", _RUN_URL)
    misfit = Problem("unmatched_field", "the field 'body' has no column")
    yield domain_events.chain_failed_event(_PIPELINE, "acme/reviews/collect", 1, misfit, "")
    yield domain_events.tasks_claimed_event(_PIPELINE, 3, 120, "")
    yield domain_events.tasks_finished_event(_PIPELINE, 2, 90, "")
    yield domain_events.pipeline_finished_event(_PIPELINE, 4, "")
    yield domain_events.chain_due_event(_PIPELINE, 1, "")
    yield domain_events.target_reached_event(_PIPELINE, 10_000, "")
    yield domain_events.results_exported_event(
        _PIPELINE, destination="s3://lake/labels", group_id=None, exported=118, until=118
    )
    yield domain_events.group_undone_event(_PIPELINE, 7, removed=118, kept=2, by="ann", act="")
    yield domain_events.group_finished_event(
        _PIPELINE, 7, finished=118, withdrawn=2, act="", naming=_NAMING
    )


def _codes(meanings: Mapping[str, str]) -> str:
    return "\n".join(entry(name, (), with_settings(text)) for name, text in meanings.items())
