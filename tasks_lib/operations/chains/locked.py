"""A chain that is locked for firing, with its pipelines and its plan."""

import hashlib
from typing import NamedTuple

import orjson
from sqlalchemy.orm import Session

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping.copied_fields import CopiedField, copied_fields
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.operations.chains.plan import plan_chain
from tasks_lib.operations.seeding.seed_from_pipeline import PipelineSource
from tasks_lib.store import catalogue
from tasks_lib.store.chains import chains
from tasks_lib.store.chains.chains import StoredChain


class LockedChain(NamedTuple):
    """A locked chain with its pipelines, and the plan that fills the target's current fields."""

    stored: StoredChain
    source: Pipeline
    target: Pipeline
    plan: Plan

    @property
    def rows(self) -> PipelineSource:
        """The finished tasks of the source; by hand they are seeded from the same."""
        return PipelineSource(self.source)

    @property
    def plan_sha256(self) -> str:
        """A hash that changes when tasks that did not fit should be tried again."""
        columns = [(column.name, column.type.value) for column in self.plan.columns]
        fields = [field.model_dump(mode="json") for field in self.target.fields]
        parts = [self.stored.mapping, sorted(self.stored.skip), columns, fields]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def copied_fields(self) -> tuple[CopiedField, ...] | None:
        """How to copy the source's values; None if they must be read, as keys must."""
        if self.target.key:
            return None
        return copied_fields(self.plan, {field.name for field in self.source.fields})


def lock_chain(session: Session, chain_id: int) -> LockedChain | None:
    """Lock a chain and its target until the transaction ends; return None if it was deleted."""
    stored = chains.lock_chain(session, chain_id)
    if stored is None:
        return None
    source = catalogue.get_pipeline(session, stored.source_pipeline_id)
    target = catalogue.lock_pipeline(session, stored.target_pipeline_id)
    return LockedChain(stored, source, target, plan_chain(stored, source, target))
