"""The acts that are recorded in the audit trail."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class Action(StrEnum):
    """An act that changes what people can do, or takes something back."""

    CATALOGUE_APPLIED = "catalogue.applied"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    CHAIN_CREATED = "chain.created"
    CHAIN_EDITED = "chain.edited"
    CHAIN_PAUSED = "chain.paused"
    CHAIN_RESUMED = "chain.resumed"
    CHAIN_DELETED = "chain.deleted"
    MAPPING_SAVED = "mapping.saved"
    PIPELINE_DELETED = "pipeline.deleted"
    DATASET_IMPORTED = "dataset.imported"
    DATASET_DELETED = "dataset.deleted"
    GROUP_UNDONE = "group.undone"
    TASKS_WITHDRAWN = "tasks.withdrawn"
    TASKS_EXPIRED = "tasks.expired"
    TASK_ERASED = "task.erased"
    CONTRIBUTOR_ERASED = "contributor.erased"


class AuditEntry(NamedTuple):
    """An act: when, by whom, of which kind, to what, and the facts that belong to it."""

    id: int
    at: datetime
    organization: str
    by: str
    action: Action
    subject: str
    details: Mapping[str, Any]
