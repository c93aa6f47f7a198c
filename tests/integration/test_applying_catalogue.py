"""A catalogue is applied as a whole or not at all, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks_lib.domain.fields import Field
from tasks_lib.errors import CatalogueRejectedError
from tasks_lib.operations.catalogue.apply import AppliedPipeline, apply_catalogue
from tasks_lib.operations.catalogue.read import find_pipeline
from tasks_lib.operations.seeding.file_sources import CsvRequest
from tasks_lib.operations.seeding.seed_from_csv import seed_from_csv
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.catalogue import list_paths

PATH = "acme/reviews/label-reviews"
SECOND = """
          - name: second
            status: draft
            claim_timeout: 90s
            fields:
              - {name: due, type: date, source: dataset, min: 2026-01-01}
              - {name: price, type: number, source: dataset, required: false, max: 9.50}
              - {name: tags, type: multi_select, source: dataset, options: [a, b]}
"""


def test_new_entries_are_created_and_the_rest_is_unchanged(
    workspace: Workspace, catalogue_file: Path
) -> None:
    catalogue_file.write_text(catalogue_file.read_text(encoding="utf-8") + SECOND, encoding="utf-8")
    assert apply_catalogue(workspace.store, catalogue_file) == [
        AppliedPipeline(1, PATH, "unchanged"),
        AppliedPipeline(2, "acme/reviews/second", "created"),
    ]
    second = find_pipeline(workspace.store, "2")
    assert (second.status, second.claim_timeout) == ("draft", 90)
    assert second.fields == (
        Field(name="due", type="date", source="dataset", min="2026-01-01"),
        Field(name="price", type="number", source="dataset", required=False, max="9.50"),
        Field(name="tags", type="multi_select", source="dataset", options=("a", "b")),
    )


def test_changed_entries_are_updated_in_place(workspace: Workspace, catalogue_file: Path) -> None:
    changed = catalogue_file.read_text(encoding="utf-8").replace("30m", "2h")
    fields = changed.splitlines(keepends=True)
    fields[-1], fields[-4] = fields[-4], fields[-1]
    catalogue_file.write_text("".join(fields), encoding="utf-8")
    assert apply_catalogue(workspace.store, catalogue_file) == [AppliedPipeline(1, PATH, "updated")]
    pipeline = find_pipeline(workspace.store, PATH)
    assert pipeline.claim_timeout == 7_200
    assert [field.name for field in pipeline.fields] == ["sentiment", "body", "stars", "review_id"]


def test_entries_missing_from_the_file_are_left_alone(
    workspace: Workspace, catalogue_file: Path
) -> None:
    catalogue_file.write_text("organizations: [{name: other}]", encoding="utf-8")
    assert apply_catalogue(workspace.store, catalogue_file) == []
    assert find_pipeline(workspace.store, PATH).id == 1


def test_one_breaking_change_rejects_the_whole_file(
    workspace: Workspace, catalogue_file: Path, csv_file: Callable[..., str]
) -> None:
    source = csv_file("review_id,body,stars\n1,one,5\n")
    seed_from_csv(workspace, CsvRequest(pipeline=PATH, source=source), run_id="run-1")
    text = catalogue_file.read_text(encoding="utf-8") + SECOND
    narrower = text.replace("type: text", "type: integer").replace("max: 5", "max: 4")
    catalogue_file.write_text(narrower, encoding="utf-8")
    with pytest.raises(CatalogueRejectedError) as caught:
        apply_catalogue(workspace.store, catalogue_file)
    assert str(caught.value) == (
        f"{catalogue_file} would break existing tasks, nothing was changed:\n"
        f"{catalogue_file}:7:13: pipeline {PATH}: field 'review_id' would change its type from "
        "text to integer\n"
        f"{catalogue_file}:7:13: pipeline {PATH}: field 'stars' would get a narrower max: 5 to 4"
    )
    with workspace.store.read() as session:
        assert list_paths(session) == [PATH]
    assert find_pipeline(workspace.store, PATH).fields[0].type == "text"


def test_a_pipeline_without_tasks_may_change_in_any_way(
    workspace: Workspace, catalogue_file: Path
) -> None:
    text = catalogue_file.read_text(encoding="utf-8")
    catalogue_file.write_text(text.replace("type: text", "type: integer"), encoding="utf-8")
    assert apply_catalogue(workspace.store, catalogue_file) == [AppliedPipeline(1, PATH, "updated")]
