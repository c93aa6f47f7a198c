"""Read results into the memory of a Python program."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, overload

import pyarrow as pa

from tasks_lib.domain.report import Report
from tasks_lib.errors import UsageError
from tasks_lib.operations.results.read import MEMBERS, Scope, find_scope, open_results
from tasks_lib.operations.workspace import Workspace, open_workspace
from tasks_lib.output.result_batches import ResultBatches
from tasks_lib.settings import read_settings

if TYPE_CHECKING:
    import pandas as pd


@overload
def results(
    group_or_pipeline: Report | int | str,
    *,
    since: datetime | int | None = None,
    with_source: bool = False,
    as_arrow: Literal[False] = False,
) -> "pd.DataFrame": ...


@overload
def results(
    group_or_pipeline: Report | int | str,
    *,
    since: datetime | int | None = None,
    with_source: bool = False,
    as_arrow: Literal[True],
) -> pa.Table: ...


def results(
    group_or_pipeline: Report | int | str,
    *,
    since: datetime | int | None = None,
    with_source: bool = False,
    as_arrow: bool = False,
) -> "pd.DataFrame | pa.Table":
    """Return the finished tasks of a group or a pipeline, in the order in which they were finished.

    Parameters
    ----------
    group_or_pipeline
        The report of a seeding or the number of a group; or the path of a pipeline.
    since
        Only tasks that were finished at this time or later. Or a cursor: only tasks that were
        finished after the result whose ``attrs["until"]`` it is, which returns each task once.
    with_source
        Add the columns of the tasks that the results were created from, through any number of
        chains. Their names begin with the name of their pipeline and a dot.
    as_arrow
        Return an Arrow table instead of a DataFrame; its cursor is ``until`` in the metadata of its
        schema.

    Returns a row for each task. Integers, texts and booleans have pandas' types with nulls
    (``Int64``, ``string``, ``boolean``), selects are categories, and moments are in UTC. Raises
    NotFoundError if there is no such group or pipeline, and StoreUnavailableError.
    """
    moment = since if isinstance(since, datetime) else None
    if moment is not None and moment.tzinfo is None:
        raise UsageError(f"since is {moment}, which has no time zone; give it one, such as UTC")
    with open_workspace(read_settings(), creates_store=False) as workspace:
        scope = _find_scope(workspace, group_or_pipeline)
        with open_results(
            workspace.store,
            scope,
            after=since if isinstance(since, int) else 0,
            finished_from=moment.astimezone(UTC) if moment is not None else None,
            with_source=with_source,
            as_columns=True,
        ) as found:
            writer = ResultBatches(found.columns, MEMBERS)
            table = pa.Table.from_batches(map(writer.write, found.batches), writer.schema)
            until = found.until
    if as_arrow:
        return table.replace_schema_metadata({"until": str(until)})
    frame = to_frame(table)
    frame.attrs["until"] = until
    return frame


def _find_scope(workspace: Workspace, target: Report | int | str) -> Scope:
    store = workspace.store
    match target:
        case Report(group_id=None):
            # Nothing was seeded, so that there is no group; an empty one has the same columns.
            return find_scope(store, str(target.pipeline_id))._replace(group_id=0)
        case Report():
            return find_scope(store, group_id=target.group_id)
        case bool():
            raise UsageError(f"{target} is not a group or a pipeline")
        case int():
            return find_scope(store, group_id=target)
    return find_scope(store, target)


def to_frame(table: pa.Table) -> "pd.DataFrame":
    """Return a DataFrame with pandas' own types for nulls."""
    import pandas as pd  # noqa: PLC0415 - takes time to load

    types = {
        pa.int64(): pd.Int64Dtype(),
        pa.string(): pd.StringDtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get, date_as_object=False)
    return frame
