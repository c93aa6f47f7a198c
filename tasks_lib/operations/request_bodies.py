"""Read the bodies of requests that are small objects: which members, of which kinds."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from tasks_lib.domain.json_rows import kind_of
from tasks_lib.domain.names import did_you_mean, visible
from tasks_lib.errors import MalformedBodyError, UsageError
from tasks_lib.intake.json_bodies import read_body

_WHOLE: Final = re.compile(r"([0-9]{1,18})(?:\.0+)?")


def read_members(
    body: bytes, required: Mapping[str, type], optional: Mapping[str, type] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the members of a body that is an object, numbers as Digits, those left out as None.

    Raises MalformedBodyError for members that are not known, lacking, or of another kind.
    """
    document = read_body(body)
    if not isinstance(document, dict):
        raise MalformedBodyError(f"the body must be an object; it is {kind_of(document)}")
    known = {**required, **optional}
    for name, value in document.items():
        if name not in known:
            hint = did_you_mean(name, known)
            raise MalformedBodyError(f"the body has the unknown member {visible(name)}{hint}")
        if type(value) is not known[name] and not (value is None and name in optional):
            kinds = f"must be {kind_of(known[name]())}; it is {kind_of(value)}"
            message = f"the member {visible(name)} {kinds}"
            raise MalformedBodyError(message)
    lacking = [name for name in required if name not in document]
    if lacking:
        raise MalformedBodyError(f"the body lacks the member {visible(lacking[0])}")
    return dict.fromkeys(known) | document


def whole_number(digits: str, name: str) -> int:
    """Return a member that is a whole number, not below zero; raise UsageError."""
    whole = _WHOLE.fullmatch(digits)
    if whole is None:
        raise UsageError(f"the {name} {digits[:40]} must be a whole number from 0")
    return int(whole[1])
