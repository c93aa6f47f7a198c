"""Read YAML as people mean it, and find the place of each value in the file.

To YAML, a plain ``no`` may be false, ``010`` eight, and ``1:30`` ninety. Here a plain scalar is its
text, unless it is null; the types of the catalogue's members read numbers and booleans from it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import yaml

from tasks_lib.errors import RejectedError

_KEPT_TAGS: Final = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")

Location = Sequence[str | int]
"""The members and positions that lead from the whole document to a value."""


class Place(NamedTuple):
    """A place in a text; both numbers count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


class Mistake(NamedTuple):
    """A mistake in a text: its place, and a clause."""

    place: Place
    message: str


class NotYamlError(RejectedError):
    """A text is not YAML; the mistakes say why."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(mistake.message for mistake in mistakes))
        self.mistakes = mistakes


class YamlDocument:
    """The one document of a text; its ``value`` consists of dicts, lists, strings and None."""

    def __init__(self, text: str) -> None:
        try:
            loader = _Loader(text)
            self._root = loader.get_single_node()
            twice = list(_doubled_keys(self._root, set())) if self._root else []
            if twice:
                raise NotYamlError(*twice)
            self.value = loader.construct_document(self._root) if self._root else None
        except yaml.reader.ReaderError as error:
            place = _place_in(text, error.position)
            raise NotYamlError(Mistake(place, f"not YAML: {error.reason}")) from None
        except yaml.MarkedYAMLError as error:
            raise NotYamlError(_mistake_of(error)) from None
        except RecursionError:
            raise NotYamlError(Mistake(Place(1, 1), "nested too deep to be read")) from None

    def find_place(self, location: Location, *, of_key: bool = False) -> Place:
        """Return the place of a value, or of its key; else that of the nearest value around it."""
        node, place = self._root, Place(1, 1)
        for step, part in enumerate(location):
            place = _start_of(node)
            key, child = _find_child(node, part)
            if child is None:
                return place
            if of_key and key is not None and step == len(location) - 1:
                return _start_of(key)
            node = child
        return _start_of(node) if node is not None else place


class _Loader(yaml.SafeLoader):
    """Reads plain scalars as texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _doubled_keys(node: yaml.Node, seen: set[int]) -> Iterator[Mistake]:
    """Yield a mistake for each key that a mapping has twice; a parser would keep the last one."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _doubled_keys(item, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, Place] = {}
    for key, value in node.value:
        place = _start_of(key)
        if isinstance(key, yaml.ScalarNode) and key.tag not in _KEPT_TAGS:
            if key.value in first:
                message = f"{key.value!r} occurs twice, first at {first[key.value]}"
                yield Mistake(place, f"{message}; only one of them would count")
            first.setdefault(key.value, place)
        yield from _doubled_keys(value, seen)


def _find_child(node: Any, part: str | int) -> tuple[Any, Any]:
    """Return the key, if any, and the value of a part of a node; None if there is no such part."""
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # merged keys come first, and count less
            if key.value == part:
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None, None


def _start_of(node: Any) -> Place:
    mark = node.start_mark if node is not None else None
    return Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)


def _mistake_of(error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark is not None else Place(1, 1)
    reason = ", ".join(part for part in (error.context, error.problem) if part)
    hint = "; indent with spaces, not with tabs" if r"'\t'" in reason else ""
    return Mistake(place, f"not YAML: {reason}{hint}")


def _place_in(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)
