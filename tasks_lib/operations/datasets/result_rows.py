"""The results of a pipeline as foreign rows, so that they are imported as any other source is."""

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import pyarrow as pa

from tasks_lib.domain.datasets import pick_columns
from tasks_lib.domain.fields import FieldType
from tasks_lib.domain.mapping.conversions import Column
from tasks_lib.domain.results import ResultColumn
from tasks_lib.errors import Problem, SourceProblemError, UsageError
from tasks_lib.intake.datasets.record_blocks import check_table
from tasks_lib.intake.rows.blocks import CheckedBlock
from tasks_lib.operations.datasets.import_request import RESULTS, ImportRequest
from tasks_lib.operations.results.read import (
    MEMBERS,
    Results,
    find_scope,
    narrow_scope,
    open_results,
)
from tasks_lib.operations.workspace import Workspace
from tasks_lib.output.result_texts import JsonLines

_STORED_TYPES: Final = {
    FieldType.LONG_TEXT: FieldType.TEXT,
    FieldType.URL: FieldType.TEXT,
    FieldType.SINGLE_SELECT: FieldType.TEXT,
    FieldType.MULTI_SELECT: FieldType.JSON,
    FieldType.FILE: FieldType.JSON,
}
"""The types of a dataset's columns that hold the values of other fields."""


class ResultRows:
    """The finished tasks of a pipeline in the order of finishing, each a row."""

    is_table: Final = True
    is_local: Final = False
    """They are copied first, so that no transaction that writes waits for the reading."""
    checksum: Final = None
    """Finished tasks can be erased or deleted later, so only the rows can tell."""
    total: Final = None
    warnings: Final[tuple[str, ...]] = ()

    def __init__(self, path: str, results: Results, columns: Sequence[ResultColumn]) -> None:
        self._path = path
        self._results = results
        self._columns = columns
        self.columns = tuple(
            Column(column.name, _STORED_TYPES.get(column.type, column.type)) for column in columns
        )

    def blocks(self) -> Generator[CheckedBlock]:
        """Yield the rows as JSON objects that keep every digit."""
        texts = JsonLines(self._columns, MEMBERS)
        count = 0
        for rows in self._results.batches:
            lines = texts.write(rows).decode().removesuffix("\n").split("\n")
            numbers = np.arange(count + 1, count + len(lines) + 1, dtype=np.int64)
            count += len(lines)
            yield CheckedBlock(pa.array(numbers), pa.array(lines, pa.string()), [], count)
        if not count:
            message = f"pipeline {self._path} has no finished tasks yet"
            raise SourceProblemError(Problem("no_rows", message))


@contextmanager
def open_result_rows(workspace: Workspace, request: ImportRequest) -> Iterator[ResultRows]:
    """Open the results of the pipeline, and of its group if any, that the request's source names.

    Raises NotFoundError, and UsageError for a pipeline of another organization, or a group of
    another pipeline.
    """
    if request.format is not None or request.sheet or request.records or request.encoding:
        raise UsageError(
            f"{request.source} is no file; leave out its format, sheet, records and encoding"
        )
    path, group_id = _parse(request.source)
    scope = find_scope(workspace.store, path)
    pipeline = scope.pipeline
    if pipeline.organization != request.organization:
        raise UsageError(
            f"pipeline {pipeline.path} is of organization {pipeline.organization}, and a dataset "
            f"of {request.organization} can have results of its own pipelines only"
        )
    scope = narrow_scope(workspace.store, scope, group_id)
    with open_results(workspace.store, scope) as results:
        names = pick_columns([column.name for column in results.columns], request.columns)
        check_table(names, workspace.limits)
        columns = [column for column in results.columns if column.name in names]
        yield ResultRows(pipeline.path, results, columns)


def _parse(source: str) -> tuple[str, int | None]:
    """Return the path of the pipeline, and the number of the group if there is one."""
    path, is_narrowed, option = source.removeprefix(RESULTS).partition("?")
    match = re.fullmatch(r"group=([0-9]{1,19})", option)
    if is_narrowed and match is None:
        raise UsageError(
            f"{source} has an unknown option after the question mark; expected group and a number, "
            f"such as {RESULTS}{path}?group=7"
        )
    return path.rstrip("/"), int(match[1]) if match else None
