"""The files of exported results, named after their part of the order of finishing."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date
from typing import Any, Final, NamedTuple

import pyarrow as pa

from tasks_lib.domain.result_formats import ResultFormat
from tasks_lib.operations.results.read import MEMBERS
from tasks_lib.output.columnar_rows import ColumnarRows
from tasks_lib.store.results.result_exports import Part

_DIGITS: Final = 16
_NUMBER: Final = "(?:-[0-9]+)?"
_FINISHED_AT: Final = MEMBERS.index("finished_at")


class PartFiles(NamedTuple):
    """How the files of one export are named; ``stem`` tells them from those of others."""

    stem: str
    format: ResultFormat
    by_day: bool

    @classmethod
    def of(
        cls,
        pipeline_id: int,
        group_id: int | None,
        *,
        format: ResultFormat,  # noqa: A002 - the name of the member
        by_day: bool,
        with_source: bool,
    ) -> "PartFiles":
        """Return the names of a pipeline's or a group's files."""
        group = f"group-{group_id}-" if group_id is not None else ""
        source = "with-source-" if with_source else ""
        return cls(f"results-{pipeline_id}-{group}{source}", format, by_day)

    def split(
        self, part: Part, rows: Sequence[Sequence[Any]]
    ) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
        """Yield the name of each file with its rows."""
        places = f"{part.after + 1:0{_DIGITS}d}-{part.until:0{_DIGITS}d}"
        name = f"{self.stem}{places}.{self.format}"
        if not self.by_day:
            yield name, rows
            return
        of_days: dict[date, list[int]] = {}
        for place, day in enumerate(_list_days(rows)):
            of_days.setdefault(day, []).append(place)
        for day, some in of_days.items():
            yield f"finished_on={day.isoformat()}/{name}", _pick(rows, some)

    def read_part(self, name: str) -> Part | None:
        """Return the part that is in a file, or None if it is not one of these files."""
        day = "finished_on=[0-9-]{10}/" if self.by_day else ""
        number = f"([0-9]{{{_DIGITS}}})"
        match = re.fullmatch(rf"{day}{self.stem}{number}-{number}{_NUMBER}\.{self.format}", name)
        return Part(int(match[1]) - 1, int(match[2])) if match else None


def number_file(name: str, number: int) -> str:
    """Return the name of one of several files with the rows of one name."""
    stem, _, suffix = name.rpartition(".")
    return name if number == 1 else f"{stem}-{number}.{suffix}"


def _pick(rows: Sequence[Sequence[Any]], places: Sequence[int]) -> Sequence[Sequence[Any]]:
    if len(places) == len(rows):
        return rows
    if isinstance(rows, ColumnarRows):
        return rows.pick(places)
    return [rows[place] for place in places]


def _list_days(rows: Sequence[Sequence[Any]]) -> Sequence[date]:
    """Return the day (UTC) on which the task of each row was finished."""
    if isinstance(rows, ColumnarRows):
        days: list[date] = rows.batch.column(_FINISHED_AT).cast(pa.date32()).to_pylist()
        return days
    return [row[_FINISHED_AT].astimezone(UTC).date() for row in rows]
