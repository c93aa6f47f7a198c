"""Save the mapping that a plan is, and look at those that were saved."""

from datetime import UTC, datetime
from typing import Any

from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.saved_mapping import MappingContent, checked_mapping_name, split_mapping_name
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store import catalogue, saved_mappings
from tasks_lib.store.engine import Store
from tasks_lib.store.saved_mappings import SavedMapping


def save_mapping(
    workspace: Workspace, pipeline_id: int, name: str, plan: Plan, source: str
) -> SavedMapping:
    """Save the plan's mapping as the name's next version, unless its latest one says the same."""
    content = MappingContent.of(plan, source)
    with workspace.store.write() as session:
        return saved_mappings.save_mapping(
            session, pipeline_id, checked_mapping_name(name), content, at=datetime.now(UTC)
        )


def list_mappings(store: Store, pipeline: str) -> list[SavedMapping]:
    """Return all versions of a pipeline's mappings; raise NotFoundError."""
    with store.read() as session:
        found = catalogue.find_pipeline(session, pipeline)
        return saved_mappings.list_mappings(session, found.id)


def show_mapping(store: Store, pipeline: str, reference: str) -> SavedMapping:
    """Return the mapping ``NAME[@VERSION]``; raise NotFoundError."""
    name, version = split_mapping_name(reference)
    with store.read() as session:
        found = catalogue.find_pipeline(session, pipeline)
        return saved_mappings.find_mapping(session, found.id, name, version)


def mapping_document(saved: SavedMapping) -> dict[str, Any]:
    """Return a saved mapping as the JSON document that programs get."""
    named = {"name": saved.name, "version": saved.version, "created_at": saved.created_at}
    return named | saved.content.document
