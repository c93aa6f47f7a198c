"""Save the mapping of a plan, and read saved mappings."""

from tasks_lib.domain.audit import Action
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.domain.mapping.saved import (
    MappingContent,
    SavedMapping,
    check_mapping_name,
    split_mapping_name,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import audit, catalogue
from tasks_lib.store.datasets import saved_mappings
from tasks_lib.store.engine import Store


def save_mapping(
    workspace: Workspace, pipeline_id: int, name: str, plan: Plan, source: str
) -> SavedMapping:
    """Save the plan's mapping as the next version, unless it equals the latest one."""
    content = MappingContent.of(plan, source)
    store, at = workspace.store, workspace.store.now()
    with store.write() as session:
        saved = saved_mappings.save_mapping(
            session, pipeline_id, check_mapping_name(name), content, at=at
        )
        if saved.created_at == at:
            subject = f"{saved.title} of pipeline {pipeline_id}"
            action, details = Action.MAPPING_SAVED, {"source": source}
            audit.record_for_pipeline(
                session, pipeline_id, action, subject, by=store.actor, at=at, details=details
            )
        return saved


def list_mappings(store: Store, pipeline: str) -> list[SavedMapping]:
    """Return all versions of a pipeline's mappings; raise NotFoundError."""
    with store.read() as session:
        pipeline_id = catalogue.find_pipeline(session, pipeline).id
        return saved_mappings.list_mappings(session, pipeline_id)


def show_mapping(store: Store, pipeline: str, reference: str) -> SavedMapping:
    """Return the mapping ``NAME[@VERSION]``; raise NotFoundError."""
    name, version = split_mapping_name(reference)
    with store.read() as session:
        pipeline_id = catalogue.find_pipeline(session, pipeline).id
        return saved_mappings.find_mapping(session, pipeline_id, name, version)
