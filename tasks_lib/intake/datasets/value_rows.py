"""Rows of Python values as foreign rows, for sources that a driver or a client library reads."""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final

from tasks_lib.domain.datasets import check_columns, common_type
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.rows.json_rows import json_text
from tasks_lib.domain.rows.sql_rows import field_type_of_class, json_row
from tasks_lib.domain.values.problem import ValueProblemError
from tasks_lib.errors import Problem, SourceProblemError
from tasks_lib.intake.datasets.block_builder import BlockBuilder
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.intake.rows.limit_problems import row_too_large, too_many_columns

_SAMPLE_ROWS: Final = 100
"""The first block is this small, so that a look at the first rows is cheap."""


class ValueRows:
    """Rows with the same columns, each a sequence of values in their order; ``done`` counts rows.

    Values are strings, numbers, booleans, dates, times, UUIDs, lists, dicts and None. ``types``
    holds a type for each column that the source declares, and None for others: those get the type
    of their values. Raises SourceProblemError for names that no column can have. ``noun`` names the
    source in messages, and ``rename`` says how to rename its columns.
    """

    is_table: Final = True
    is_local: Final = False
    warnings: Final[tuple[str, ...]] = ()

    def __init__(
        self,
        names: Sequence[str],
        rows: Iterable[Sequence[Any]],
        limits: Limits,
        *,
        types: Sequence[FieldType | None] = (),
        checksum: str | None = None,
        total: int | None = None,
        noun: str = "source",
        rename: str = "",
    ) -> None:
        self.checksum = checksum
        self.total = total
        self._names = list(names)
        self._declared = list(types) or [None] * len(names)
        self._classes: list[set[type]] = [set() for _ in names]
        self._rows = rows
        self._limits = limits
        if len(names) > limits.max_columns:
            clause = f"the {noun} has {len(names):,} columns"
            raise SourceProblemError(too_many_columns(clause, limits))
        problems = check_columns(names)
        if problems:
            hint = f"; {rename}" if rename else ""
            raise SourceProblemError(
                *(problem._replace(message=f"{problem.message}{hint}") for problem in problems)
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, typed by what the source declares or by the values read so far."""
        return tuple(
            Column(name, declared or _type_of(classes))
            for name, declared, classes in zip(
                self._names, self._declared, self._classes, strict=True
            )
        )

    def blocks(self) -> Generator[CheckedBlock]:
        """Yield the rows as JSON objects that keep every digit."""
        block = BlockBuilder(max_rows=_SAMPLE_ROWS)
        number = 0
        for number, values in enumerate(self._rows, start=1):
            try:
                text = json_text(json_row(self._names, values))
            except ValueProblemError as problem:
                block.reject(number, Problem(problem.code, str(problem), number))
            else:
                self._add(block, number, text, values)
            if block.is_full:
                yield block.finish(number)
                block = BlockBuilder()
        yield block.finish(number)

    def _add(self, block: BlockBuilder, number: int, text: str, values: Sequence[Any]) -> None:
        if len(text.encode()) > self._limits.max_row_bytes:
            block.reject(number, row_too_large(self._limits, number, subject="the row"))
            return
        block.add(number, text)
        for classes, value in zip(self._classes, values, strict=True):
            classes.add(value.__class__)


def _type_of(classes: set[type]) -> FieldType:
    types = {field_type_of_class(entry) for entry in classes}
    return common_type({entry for entry in types if entry is not None})
