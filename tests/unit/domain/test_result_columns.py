"""Columns of results have names of their own."""

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.fields import Field
from tasks_lib.domain.results import OWN_COLUMNS, joined_columns
from tasks_lib.domain.statuses import PipelineStatus


def pipeline(number: int, name: str, *fields: str, project: str = "reviews") -> Pipeline:
    entries = [{"name": name, "type": "text", "source": "dataset"} for name in fields]
    return Pipeline(
        id=number,
        name=name,
        project_id=len(project),
        project=project,
        organization_id=1,
        organization="acme",
        status=PipelineStatus.ACTIVE,
        fields=tuple(map(Field.model_validate, entries)),
    )


def names(target: Pipeline, *sources: Pipeline) -> list[str]:
    own = {prefix + name for prefix in ("", "a.", "a.b.", "other/a.") for name in OWN_COLUMNS}
    return [c.name for c in joined_columns(target, sources) if c.name not in own]


def test_columns_of_sources_begin_with_their_pipeline() -> None:
    target = pipeline(1, "check", "body")
    sources = pipeline(2, "a", "body", "source"), pipeline(3, "a", "body", project="other")
    expected = ["body", "a.body", "a.field_source", "other/a.body"]
    assert names(target, *sources) == expected


def test_a_taken_name_is_changed() -> None:
    target = pipeline(1, "check", "a.body", "source_a.body")
    assert names(target, pipeline(2, "a", "body", "b.c"), pipeline(3, "a.b", "c")) == [
        "a.body",
        "source_a.body",
        "source_source_a.body",
        "a.b.c",
        "source_a.b.c",
    ]
