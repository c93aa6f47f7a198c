"""Read the JSON objects in which the store keeps the values of tasks."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

_SPLIT: Final = msgspec.json.Decoder(list[Raw]).decode
_UNUSUAL: Final = ('"', "\\")
"""Characters that msgspec does not take in the name of an object's member."""


class Member(NamedTuple):
    """A member of an object: its name, its type in Python, and its value if it is missing."""

    name: str
    type: Any
    default: Any


class StoredObjects:
    """Reads objects with some members, and ignores others.

    ``getters`` return the value of each member from what ``read`` returns.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.getters: dict[str, Callable[[Any], Any]]
        self._decode: Callable[[str], Any]
        self._decode_all: Callable[[str], list[Any]]
        if any(sign in member.name for member in members for sign in _UNUSUAL):
            self._decode = _dict_decoder(members)
            self._decode_all = partial(_decode_each, self._decode)
            self._nothing = self._decode("{}")
            self.getters = {member.name: itemgetter(member.name) for member in members}
            return
        names = {f"field_{place}": member.name for place, member in enumerate(members)}
        kind: Any = msgspec.defstruct(
            "Values",
            [(name, *member[1:]) for name, member in zip(names, members, strict=True)],
            rename=names,
            gc=False,
        )
        self._decode = msgspec.json.Decoder(kind).decode
        self._decode_all = msgspec.json.Decoder(list[kind]).decode
        self._nothing = kind()
        self.getters = {name: attrgetter(attribute) for attribute, name in names.items()}

    def read(self, text: str | None) -> Any:
        """Return the values of an object; None has no members."""
        return self._nothing if text is None else self._decode(text)

    def read_all(self, objects: str) -> list[Any]:
        """Return the values of each object of a JSON array."""
        return self._decode_all(objects)


def _dict_decoder(members: Sequence[Member]) -> Callable[[str], Any]:
    """Return a slower decoder, for all names."""
    split = msgspec.json.Decoder(dict[str, Raw]).decode
    decoders = {member.name: msgspec.json.Decoder(member.type).decode for member in members}
    defaults = {member.name: member.default for member in members}

    def decode(text: str) -> dict[str, Any]:
        found = split(text)
        return defaults | {
            name: decoders[name](value) for name, value in found.items() if name in decoders
        }

    return decode


def _decode_each(decode: Callable[[str], Any], objects: str) -> list[Any]:
    return [decode(bytes(raw).decode()) for raw in _SPLIT(objects)]
