"""Changes of a pipeline's fields that would break its existing tasks."""

from typing import Any

from tasks_lib.domain.catalogue import Pipeline, PipelineEntry
from tasks_lib.domain.fields import CONSTRAINTS, Field, FieldSource, FieldType
from tasks_lib.domain.values.readers import order_of

_AT_LEAST = frozenset({"min", "min_length"})
_BOUNDS = frozenset({"min", "max"})
_SETS = frozenset({"options", "content_types"})


def breaking_changes(pipeline: Pipeline, entry: PipelineEntry) -> list[str]:
    """Return a sentence for each change that would make existing tasks invalid.

    A field may be added (a dataset field only if it is optional), moved, made optional or given
    wider constraints. It may not be removed, get another type or source, or narrower constraints.
    """
    wanted = {field.name: field for field in entry.fields}
    known = {field.name: field for field in pipeline.fields}
    reasons = [f"field {name!r} would be removed" for name in known if name not in wanted]
    for name, field in wanted.items():
        if name in known:
            reasons.extend(f"field {name!r} {why}" for why in _narrowed(known[name], field))
        elif field.source is FieldSource.DATASET and field.required:
            reasons.append(
                f"field {name!r} would be new and required, but existing tasks have no value for "
                "it; add it with required: false"
            )
    return reasons


def _narrowed(before: Field, after: Field) -> list[str]:
    reasons = []
    if before.type is not after.type:
        reasons.append(f"would change its type from {before.type.value} to {after.type.value}")
        return reasons
    if before.source is not after.source:
        reasons.append(f"would change from {before.source.value} to {after.source.value}")
    if after.required and not before.required:
        reasons.append("would become required")
    for constraint in CONSTRAINTS:
        old, new = getattr(before, constraint), getattr(after, constraint)
        if old != new and not _is_wider(constraint, old, new, after.type):
            reasons.append(f"would get a narrower {constraint}: {_shown(old)} to {_shown(new)}")
    return reasons


def _is_wider(constraint: str, old: Any, new: Any, field_type: FieldType) -> bool:
    if new is None or (constraint == "min_length" and new <= 1):  # no stored text is empty
        return True
    if old is None or constraint == "pattern":
        return False
    if constraint in _SETS:
        return set(old) <= set(new)
    order = order_of(field_type) if constraint in _BOUNDS else int
    is_lower = order(new) <= order(old)
    is_same = order(new) == order(old)
    return is_same or is_lower == (constraint in _AT_LEAST)


def _shown(bound: object) -> str:
    if isinstance(bound, tuple):
        return "[" + ", ".join(map(str, bound)) + "]"
    return "none" if bound is None else str(bound)
