"""Read request bodies that are objects, and check their members."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import spell_value
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.domain.rows.json_rows import Digits, kind_of
from tasks_lib.errors import MalformedBodyError, UsageError
from tasks_lib.intake.api_tasks.json_bodies import Members, read_body, read_body_object
from tasks_lib.intake.api_tasks.json_members import check_size, spell_member

MAX_SMALL_BYTES: Final = 64 * 2**10
"""The largest body of a call that carries no values of tasks."""

_WHOLE: Final = re.compile(r"([0-9]{1,18})(?:\.0+)?")


class Values(NamedTuple):
    """The member of a body that has values of fields: the one that may be large.

    ``fields`` are the names of the fields, if they are known; then a look at the values ends at the
    first other name.
    """

    member: str
    limits: Limits
    fields: tuple[str, ...] | None = None


def read_members(body: bytes, model: type, values: Values | None = None) -> dict[str, Any]:
    """Return the members of an object, with numbers as Digits and omitted members as None.

    ``model`` is the TypedDict that describes the object. An empty body is an empty object. The
    member with ``values`` becomes a ``RawValues``. Raises MalformedBodyError for a member that is
    unknown, missing, or of the wrong kind.
    """
    known = _kinds_of(model)
    body = body or b"{}"
    if len(body) > MAX_SMALL_BYTES and values is None:
        message = f"the body has {len(body):,} bytes, {MAX_SMALL_BYTES:,} are allowed here"
        raise MalformedBodyError(message, code="body_too_large")
    members = read_body_object(body, "the body must be an object", names=tuple(known))
    for name in members:
        if name not in known:
            hint = did_you_mean(name, known)
            raise MalformedBodyError(f"the body has the unknown member {visible(name)}{hint}")
    lacking = [name for name, kind in known.items() if kind.is_required and name not in members]
    if lacking:
        raise MalformedBodyError(f"the body lacks the member {visible(lacking[0])}")
    _check_unique(members)
    return dict.fromkeys(known) | {
        name: _read(members, name, known[name], values) for name in members
    }


class _Kind(NamedTuple):
    """The kind of a member's JSON value, and whether the member is required."""

    json_type: type
    is_required: bool


@cache
def _kinds_of(model: type) -> Mapping[str, _Kind]:
    required = model.__required_keys__  # type: ignore[attr-defined]
    hints = get_type_hints(model)
    return {name: _Kind(_json_type(hint), name in required) for name, hint in hints.items()}


def _json_type(hint: Any) -> type:
    """Return the type of the values that a member of a model has in JSON."""
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        (hint,) = (option for option in get_args(hint) if option is not NoneType)
        return _json_type(hint)
    if origin is Literal or (isinstance(hint, type) and issubclass(hint, str)):
        return str
    plain: type = origin or hint
    return Digits if plain is int else plain


def _read(members: Members, name: str, kind: _Kind, values: Values | None) -> Any:
    given = members.kind(name)
    if given is NoneType and not kind.is_required:
        return None
    if given is not kind.json_type:
        kinds = f"must be {kind_of(kind.json_type())}; it is {kind_of(given())}"
        raise MalformedBodyError(f"the member {visible(name)} {kinds}")
    if values is None or name != values.member:
        return read_body(members.raw(name))
    inner = read_body_object(
        members.raw(name),
        f"the member {visible(name)} must be an object",
        values.fields,
        is_valid=True,
    )
    _check_unique(inner)
    return RawValues(inner, values.limits)


class RawValues:
    """The values of a submission; each is parsed when it is spelled as a cell.

    Raises MalformedBodyError for documents that are too large together.
    """

    def __init__(self, members: Members, limits: Limits) -> None:
        self._members = members
        self._max_bytes = limits.max_cell_bytes
        sizes = [len(members.raw(name)) for name in members if members.kind(name) in {dict, list}]
        check_size(sum(size for size in sizes if size <= self._max_bytes), limits)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def spell(self, field: Field) -> str:
        """Return the cell of a field; raise ValueProblemError."""
        if field.name not in self._members:
            return spell_value(None, field)
        return spell_member(self._members, field, self._max_bytes)


def _check_unique(members: Members) -> None:
    for name in members.doubled():
        message = f"the body has the member {visible(name)} twice in one object"
        raise MalformedBodyError(message, code="malformed_json")


def whole_number(digits: str, name: str) -> int:
    """Return a member that is a whole number from 0; raise UsageError for any other."""
    whole = _WHOLE.fullmatch(digits)
    if whole is None:
        raise UsageError(f"the {name} {digits[:40]} must be a whole number from 0")
    return int(whole[1])
