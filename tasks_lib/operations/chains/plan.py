"""The mapping of a chain, for firing it and for showing it."""

from dataclasses import replace

from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping.drift import lost_columns
from tasks_lib.domain.mapping.plans import Plan, columns_of, plan_mapping
from tasks_lib.store.chains.chains import StoredChain


def plan_chain(chain: StoredChain, source: Pipeline, target: Pipeline) -> Plan:
    """Decide which column fills which field, with the pipelines' current fields.

    A field that a column filled when the chain was created or edited is a problem if the column is
    gone: the field would be empty from now on, in silence.
    """
    plan = plan_mapping(columns_of(source.fields), target.fields, chain.mapping, chain.skip)
    earlier = plan_mapping(chain.columns, target.fields, chain.mapping, chain.skip)
    lost = lost_columns(
        plan,
        earlier.filled_from,
        when="when the chain was set up",
        way_out="edit the chain: map the field to another column, or skip it",
    )
    return replace(plan, problems=(*plan.problems, *lost))
