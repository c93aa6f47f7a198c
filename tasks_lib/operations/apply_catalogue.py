"""Make the store match a catalogue file: create or update by name, all or nothing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import ValidationError
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Catalogue, PipelineEntry
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import CatalogueRejectedError, UsageError
from tasks_lib.policy.catalogue_changes import breaking_changes
from tasks_lib.policy.lifecycle import FOLLOWING_MOVES
from tasks_lib.store import catalogue as pipelines
from tasks_lib.store.engine import Store
from tasks_lib.store.moves import Note, Picks, move_tasks


class AppliedPipeline(NamedTuple):
    """What became of one pipeline: ``created``, ``updated`` or ``unchanged``."""

    id: int
    path: str
    outcome: str


def apply_catalogue(store: Store, path: Path) -> list[AppliedPipeline]:
    """Apply the YAML file at ``path`` and return what became of each pipeline in it.

    Raises CatalogueRejectedError naming every mistake in the file, or every change that would break
    existing tasks; then nothing is changed. What the file does not mention is left alone.
    """
    catalogue = read_catalogue(path)
    applied: list[AppliedPipeline] = []
    refused: list[str] = []
    with store.write() as session:
        for organization in catalogue.organizations:
            organization_id = pipelines.ensure_organization(session, organization.name)
            for project in organization.projects:
                project_id = pipelines.ensure_project(session, organization_id, project.name)
                for entry in project.pipelines:
                    place = f"{organization.name}/{project.name}/{entry.name}"
                    outcome, reasons = _apply_pipeline(session, project_id, entry, place)
                    applied.append(outcome)
                    refused.extend(f"pipeline {place}: {reason}" for reason in reasons)
        if refused:
            raise CatalogueRejectedError(
                f"{path} would break existing tasks, nothing was changed: " + "; ".join(refused)
            )
    return applied


def read_catalogue(path: Path) -> Catalogue:
    """Read and check a catalogue file."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML lets the latter through
        reason = " ".join(str(error).split())
        raise CatalogueRejectedError(f"{path} is not YAML: {reason}") from None
    try:
        return Catalogue.model_validate(document)
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or 'the file'}: "
            f"{detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False)
        )
        raise CatalogueRejectedError(f"{path} is not a catalogue: {mistakes}") from None


def _apply_pipeline(
    session: Session, project_id: int, entry: PipelineEntry, path: str
) -> tuple[AppliedPipeline, list[str]]:
    found = pipelines.pipeline_for_update(session, project_id, entry.name)
    if found is None:
        created = pipelines.create_pipeline(session, project_id, entry)
        return AppliedPipeline(created, path, "created"), []
    described = (found.status, found.claim_timeout, found.fields)
    if described == (entry.status, entry.claim_timeout, entry.fields):
        return AppliedPipeline(found.id, path, "unchanged"), []
    if pipelines.has_tasks(session, found.id):
        reasons = breaking_changes(found, entry)
        if reasons:
            return AppliedPipeline(found.id, path, "refused"), reasons
    pipelines.update_pipeline(session, found.id, entry)
    if found.status is not entry.status:
        _follow(session, found.id, entry.status)
    return AppliedPipeline(found.id, path, "updated"), []


def _follow(session: Session, pipeline_id: int, status: PipelineStatus) -> None:
    """Pause the available tasks of a pipeline that is paused now; resume those of one at work."""
    move = FOLLOWING_MOVES.get(status)
    note = Note(None, datetime.now(UTC), f"the pipeline became {status.value}")
    while move is not None and move_tasks(session, pipeline_id, move, Picks(), note):
        pass
