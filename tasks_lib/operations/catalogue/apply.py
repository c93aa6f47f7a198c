"""Make the store match a catalogue file: create or update by name, all or nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from tasks_lib.domain.audit import Action
from tasks_lib.domain.catalogue import Pipeline, PipelineEntry
from tasks_lib.domain.catalogue_changes import breaking_changes
from tasks_lib.domain.names import counted
from tasks_lib.domain.rows.keys import NoKeyError, describe_key, key_of
from tasks_lib.domain.statuses import PipelineStatus
from tasks_lib.errors import UsageError
from tasks_lib.operations.catalogue.catalogue_file import read_catalogue
from tasks_lib.operations.catalogue.yaml_document import Location
from tasks_lib.store import audit, catalogue as pipelines
from tasks_lib.store.engine import Store
from tasks_lib.store.infinite_seedings import find_seeding
from tasks_lib.store.keys import retired as retired_keys
from tasks_lib.store.keys.existing_tasks import clear_keys, fill_keys
from tasks_lib.store.results import declared_results

_SETTINGS: Final = (
    "status", "claim_timeout", "key", "on_change", "on_missing", "retention", "fields",
)  # fmt: skip


class AppliedPipeline(NamedTuple):
    """The outcome for one pipeline: ``created``, ``updated`` or ``unchanged``."""

    id: int
    path: str
    outcome: str


def apply_catalogue(store: Store, path: Path, *, prunes: bool = False) -> list[AppliedPipeline]:
    """Apply the YAML file at ``path`` and return the outcome for each pipeline in it.

    With ``prunes``, destinations of results that its pipelines no longer declare are removed.
    Raises CatalogueRejectedError with every mistake in the file, or every change that would break
    existing tasks; then nothing is changed. Pipelines that are not in the file stay unchanged.
    """
    file = read_catalogue(path)
    applied: list[AppliedPipeline] = []
    refused: list[tuple[Location, str]] = []
    unusable: list[tuple[Location, str]] = []
    changed: defaultdict[int, list[AppliedPipeline]] = defaultdict(list)
    now = store.now()
    with store.write() as session:
        pipelines.lock_catalogue(session)
        for first, organization in enumerate(file.catalogue.organizations):
            organization_id = pipelines.ensure_organization(session, organization.name)
            for second, project in enumerate(organization.projects):
                project_id = pipelines.ensure_project(session, organization_id, project.name)
                for third, entry in enumerate(project.pipelines):
                    name = f"{organization.name}/{project.name}/{entry.name}"
                    outcome, reasons = _apply_pipeline(session, project_id, entry, name)
                    at = ("organizations", first, "projects", second, "pipelines", third)
                    if not reasons:
                        outcome, wrong = _apply_results(session, outcome, entry, prunes=prunes)
                        unusable.extend(
                            ((*at, *place), f"pipeline {name}{why}") for place, why in wrong
                        )
                    applied.append(outcome)
                    changed[organization_id].append(outcome)
                    refused.extend((at, f"pipeline {name}: {reason}") for reason in reasons)
        if refused:
            raise file.reject(refused, why="would break existing tasks")
        if unusable:
            raise file.reject(unusable, why="has destinations that cannot be used")
        _record(session, store, path, changed, now)
    _wait_for_claims(store, applied)
    return applied


def _wait_for_claims(store: Store, applied: Sequence[AppliedPipeline]) -> None:
    """Wait for claims that had begun before the catalogue was applied, where none may begin now."""
    with store.read() as session:
        changed = [one.id for one in applied if one.outcome == "updated"]
        closed = [
            pipeline_id
            for pipeline_id in changed
            if pipelines.get_status(session, pipeline_id) is not PipelineStatus.ACTIVE
        ]
    for pipeline_id in closed:
        with store.query() as session:
            pipelines.wait_for_claims(session, pipeline_id)


def _record(
    session: Session,
    store: Store,
    path: Path,
    changed: Mapping[int, Sequence[AppliedPipeline]],
    at: datetime,
) -> None:
    """Record what was created and updated; a catalogue that changes nothing leaves no entry."""
    for organization_id, applied in changed.items():
        details = {
            outcome: paths
            for outcome in ("created", "updated")
            if (paths := [one.path for one in applied if one.outcome == outcome])
        }
        if details:
            action = Action.CATALOGUE_APPLIED
            audit.record(
                session, organization_id, action, path.name, by=store.actor, at=at, details=details
            )


def _apply_pipeline(
    session: Session, project_id: int, entry: PipelineEntry, path: str
) -> tuple[AppliedPipeline, list[str]]:
    pipeline = pipelines.lock_pipeline_for_update(session, project_id, entry.name)
    if pipeline is None:
        created = pipelines.create_pipeline(session, project_id, entry)
        return AppliedPipeline(created, path, "created"), []
    if all(getattr(pipeline, name) == getattr(entry, name) for name in _SETTINGS):
        return AppliedPipeline(pipeline.id, path, "unchanged"), []
    if pipelines.has_tasks(session, pipeline.id):
        reasons = breaking_changes(pipeline, entry)
        if reasons:
            return AppliedPipeline(pipeline.id, path, "refused"), reasons
    reasons = _apply_key(session, pipeline, entry)
    if reasons:
        return AppliedPipeline(pipeline.id, path, "refused"), reasons
    pipelines.update_pipeline(session, pipeline.id, entry)
    return AppliedPipeline(pipeline.id, path, "updated"), []


def _apply_results(
    session: Session, applied: AppliedPipeline, entry: PipelineEntry, *, prunes: bool
) -> tuple[AppliedPipeline, list[tuple[Location, str]]]:
    """Save where the results of a pipeline go; return its outcome, and what cannot be used.

    Destinations that the entry does not name stay, unless ``prunes``.
    """
    unusable: list[tuple[Location, str]] = []
    known = {stored.name: stored for stored in declared_results.list_declared(session, applied.id)}
    wanted = {} if prunes else dict(known)
    for position, results in enumerate(entry.results):
        from tasks_lib.operations.results.declared import make_declared  # noqa: PLC0415 - loads Arrow

        try:
            wanted[results.name] = make_declared(results)
        except UsageError as error:
            unusable.append((("results", position), f", results {results.name!r}: {error}"))
    if unusable or wanted == known:
        return applied, unusable
    declared_results.replace_declared(session, applied.id, list(wanted.values()))
    is_new = applied.outcome == "created"
    return applied if is_new else applied._replace(outcome="updated"), []


def _apply_key(session: Session, pipeline: Pipeline, entry: PipelineEntry) -> list[str]:
    """Give the tasks of a locked pipeline their new keys; return why that is not possible."""
    if entry.key == pipeline.key:
        return []
    if not entry.key:
        clear_keys(session, pipeline.id)
        retired_keys.forget(session, pipeline.id)
        return []
    named = f"key [{', '.join(entry.key)}]"
    retired = retired_keys.count(session, pipeline.id)
    if retired:
        return [
            f"{named} would make the rows of {counted(retired, 'deleted or erased task')} new "
            "ones, because their values are gone; to accept that, drop the key first (key: [])"
        ]
    seeding = find_seeding(session, pipeline.id)
    if seeding is not None and seeding.is_enabled:
        return [
            f"{named} cannot be declared while infinite seeding creates tasks without own values; "
            "disable it first"
        ]
    try:
        duplicates = fill_keys(session, pipeline.id, key_of(entry.fields, entry.key))
    except NoKeyError as error:
        return [f"{named} cannot be declared: a task has {error}"]
    return [
        f"{named} does not tell its tasks apart: {duplicate.tasks:,} tasks, {duplicate.first_id} "
        f"to {duplicate.last_id}, have {describe_key(entry.key, duplicate.predefined)}"
        for duplicate in duplicates
    ]
