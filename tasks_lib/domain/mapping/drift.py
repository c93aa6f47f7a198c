"""Changes of a source's columns, and what a mapping loses by them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.mapping.plans import Outcome, Plan
from tasks_lib.domain.names import Suggestions, visible
from tasks_lib.errors import Problem

_WAY_OUT: Final = "map the field to another column, skip it, or accept the drift to leave it empty"


def drift(before: Sequence[Column], now: Sequence[Column]) -> list[str]:
    """Return a sentence for each change of a source's columns; their order does not matter."""
    then, today = dict(before), dict(now)
    gone = missing_columns(then, today)
    sentences = []
    for name, kind in then.items():
        if name in gone:
            sentences.append(gone[name])
        elif today[name] is not kind:
            sentences.append(f"column {visible(name)} was {kind} and is {today[name]} now")
    sentences.extend(f"column {visible(name)} is new" for name in today if name not in then)
    return sentences


def missing_columns(before: Iterable[str], now: Collection[str]) -> dict[str, str]:
    """Return a sentence for each name of a column that a source no longer has."""
    known = list(dict.fromkeys(before))
    hints = Suggestions(name for name in now if name not in known)
    sentences = {}
    for name in known:
        if name not in now:
            renamed = hints.nearest(name)
            hint = f"; it may be called {visible(renamed)} now" if renamed is not None else ""
            sentences[name] = f"column {visible(name)} is gone{hint}"
    return sentences


def lost_columns(
    plan: Plan,
    earlier: Mapping[str, str],
    *,
    when: str = "in the last seeding",
    way_out: str = _WAY_OUT,
) -> list[Problem]:
    """Return a problem for each optional field that lost the column that filled it before.

    ``earlier`` is field to column, as of the time ``when``. Fields that the request maps or skips
    are no problem, and required ones have one already.
    """
    lost = {
        entry.field.name: earlier[entry.field.name]
        for entry in plan.fields
        if entry.outcome is Outcome.UNMATCHED and entry.field.name in earlier
    }
    known = {problem.field for problem in plan.problems}
    gone = missing_columns(lost.values(), [column.name for column in plan.columns])
    return [
        Problem(
            "mapping_drifted",
            f"{gone[column]}, and filled the field {visible(field)} {when}; {way_out}",
            field=field,
        )
        for field, column in lost.items()
        if column in gone and field not in known
    ]
