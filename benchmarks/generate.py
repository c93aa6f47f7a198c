"""Make the CSV that is loaded, and its catalogue; measures nothing itself.

The same rows and seed make the same bytes. A longer file begins with the shorter one.
"""

import argparse
import csv
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from tasks_lib.domain.fields import Field, FieldSource

PIPELINE: Final = "acme/reviews/label-reviews"
_CATEGORIES: Final = ("books", "home & garden", "toys", "électronique", "groceries")
_FIELDS: Final[list[dict[str, Any]]] = [
    {"name": "review_id", "type": "text"},
    {"name": "body", "type": "long_text"},
    {"name": "stars", "type": "integer", "min": 1, "max": 5},
    {"name": "price", "type": "number"},
    {"name": "verified", "type": "boolean"},
    {"name": "bought_on", "type": "date"},
    {"name": "category", "type": "single_select", "options": list(_CATEGORIES)},
    {"name": "page", "type": "url"},
]
ALL_COLUMNS: Final = len(_FIELDS)
_PHRASES: Final = (
    "Arrived two days early and works as the description says.",
    "The box was damaged but what was in it was not.",
    "I would buy it again at this price and not at a higher one.",
    "Très bien emballé; livré à l'heure.",
    "The battery lasts a day and a half with normal use.",
    "品質は良いですが、説明書は英語だけです。",
    "The second one that I ordered differs from the first.",
    "My daughter uses it every day since her birthday.",
    "It is smaller than the picture makes it look.",
    "Support answered within an hour and sent a new part.",
)
_QUOTED_SHARE: Final = 0.05
_ROWS_AT_ONCE: Final = 10_000
_FIRST_DAY: Final = date(2020, 1, 1)


def write_csv(path: Path, *, rows: int, seed: int = 1, columns: int = ALL_COLUMNS) -> None:
    """Write a header and ``rows`` rows of the first columns, by default eight, streaming."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field["name"] for field in _FIELDS[:columns])
        for first in range(0, rows, _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, rows)
            some_rows = _some_rows(first, last, random.Random(f"{seed}/{first}"))
            writer.writerows(row[:columns] for row in some_rows)


def write_catalogue(
    path: Path, *, columns: int = ALL_COLUMNS, key: Sequence[str] = (), on_change: str = "keep"
) -> None:
    """Write the catalogue whose only pipeline, ``PIPELINE``, takes the CSV."""
    organization, project, pipeline = PIPELINE.split("/")
    fields = [{**field, "source": "dataset"} for field in _FIELDS[:columns]]
    described = {"name": pipeline, "key": list(key), "on_change": on_change, "fields": fields}
    entry = {"name": project, "pipelines": [described]}
    catalogue = {"organizations": [{"name": organization, "projects": [entry]}]}
    path.write_text(yaml.safe_dump(catalogue, sort_keys=False, allow_unicode=True), "utf-8")


def dataset_fields(columns: int = ALL_COLUMNS) -> list[Field]:
    """Return the pipeline's fields, as the intake takes them."""
    return [Field(**field, source=FieldSource.DATASET) for field in _FIELDS[:columns]]


def _some_rows(first: int, last: int, chance: random.Random) -> Iterator[Sequence[object]]:
    days = [(_FIRST_DAY + timedelta(day)).isoformat() for day in range(2_000)]
    for row in range(first, last):
        yield (
            f"R{row:010d}",
            _body(chance),
            chance.randint(1, 5),
            f"{chance.randint(100, 99_999) / 100:.2f}",
            chance.choice(("true", "false")),
            chance.choice(days),
            chance.choice(_CATEGORIES),
            f"https://shop.example.com/products/{chance.randint(1, 50_000)}?ref=review-{row}",
        )


def _body(chance: random.Random) -> str:
    phrases = chance.choices(_PHRASES, k=chance.randint(1, 5))
    if chance.random() < _QUOTED_SHARE:
        return f'They call it "{chance.choice(_CATEGORIES)}",\n' + "\n".join(phrases)
    return " ".join(phrases)


def main() -> None:
    """Write a CSV and its catalogue where the options say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("output", type=Path, help="the CSV to write; its catalogue ends in .yaml")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write_csv(options.output, rows=options.rows, seed=options.seed)
    write_catalogue(options.output.with_suffix(".yaml"))


if __name__ == "__main__":
    main()
