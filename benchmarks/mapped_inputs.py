"""Datasets to seed from, and pipelines to seed into; measures nothing itself.

The same rows and seed make the same bytes.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

_COLUMNS: Final = 8
_NESTED: Final = 2
_WORDS: Final = ("fine", "box", "battery", "weiß", "price", 'in "quotes"', "again", "day", "手")
_ROWS_AT_ONCE: Final = 10_000


@dataclass(frozen=True)
class Shape:
    """A kind of rows: a dataset and a pipeline of its name.

    ``members`` makes a task's values of a row in SQL, as our operation does by ``mapping``.
    """

    name: str
    title: str
    limit: float
    members: str
    mapping: Mapping[str, str] = field(default_factory=dict)

    @property
    def pipeline(self) -> str:
        """The path of the pipeline."""
        return f"acme/mapped/{self.name}"

    @property
    def plain(self) -> tuple[str, ...]:
        """The text columns."""
        return _plain(0 if not self.mapping else _NESTED)


def _plain(nested: int) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(_COLUMNS - nested))


def _members(nested: int) -> str:
    return ", ".join(f"'{name}', value->>'{name}'" for name in _plain(nested))


SHAPES: Final = {
    "text": Shape("text", "eight columns of text", 2, _members(0)),
    "paths": Shape(
        "paths",
        "six columns of text, two JSONPaths into a column of JSON",
        3,
        f"{_members(_NESTED)}, 'title', value->'payload'->>'title',"
        " 'stars', (value->'payload'->'votes'->>'stars')::bigint",
        {"title": "payload:$.title", "stars": "payload:$.votes.stars"},
    ),
}
"""By name, with the limit of our time as a multiple of the baseline's."""


def write_rows(path: Path, shape: Shape, *, rows: int, seed: int = 1) -> None:
    """Write ``rows`` JSON Lines, streaming."""
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, rows, _ROWS_AT_ONCE):
            chance = random.Random(f"{seed}/{first}")
            last = min(first + _ROWS_AT_ONCE, rows)
            file.writelines(_lines(range(first, last), shape, chance))


def write_catalogue(path: Path, shape: Shape) -> None:
    """Write the catalogue whose only pipeline takes the rows."""
    fields: list[dict[str, Any]] = [{"name": name, "type": "text"} for name in shape.plain]
    if shape.mapping:
        fields += [{"name": "title", "type": "text"}, {"name": "stars", "type": "integer"}]
    entries = [{**entry, "source": "dataset"} for entry in fields]
    pipeline = {"name": shape.name, "fields": entries}
    project = {"name": "mapped", "pipelines": [pipeline]}
    catalogue = {"organizations": [{"name": "acme", "projects": [project]}]}
    path.write_text(yaml.safe_dump(catalogue, sort_keys=False), "utf-8")


def _lines(numbers: range, shape: Shape, chance: random.Random) -> Iterator[str]:
    first, *others = shape.plain
    for number in numbers:
        row: dict[str, Any] = {first: f"R{number:010d}"}
        row |= {name: _text(chance) for name in others}
        if shape.mapping:
            row["payload"] = {"title": _text(chance), "votes": {"stars": number % 5}}
        yield json.dumps(row, ensure_ascii=False) + "\n"


def _text(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=3))
