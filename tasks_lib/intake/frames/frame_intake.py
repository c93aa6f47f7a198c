"""Take a frame in, as rows that can become tasks of given fields."""

from collections.abc import Sequence
from pathlib import Path

from tasks_lib.domain.fields import Field
from tasks_lib.domain.limits import Limits
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.rows.headers import check_header
from tasks_lib.errors import SourceProblemError
from tasks_lib.intake.frames.cell_spool import spool_cells
from tasks_lib.intake.frames.frame_cells import ConvertedCells, FrameCells
from tasks_lib.intake.frames.open_frame import Frame
from tasks_lib.intake.rows.checked_rows import CheckKeys, checked_blocks
from tasks_lib.intake.rows.limit_problems import too_many_columns
from tasks_lib.intake.rows.row_intake import RowIntake


def read_frame(frame: Frame, fields: Sequence[Field], limits: Limits, path: Path) -> FrameCells:
    """Return the cells of a frame whose columns are ``fields``; raise SourceProblemError.

    A frame that can be read only once is copied to the file ``path``. Of rows that may lack
    columns, only the required fields must be in the first one.
    """
    _check_columns(frame, fields, limits)
    if frame.is_repeatable:
        return ConvertedCells(frame, fields, limits)
    return spool_cells(frame, fields, limits, path)


def _check_columns(frame: Frame, fields: Sequence[Field], limits: Limits) -> None:
    if len(frame.names) > limits.max_columns:
        clause = f"the {frame.title} has {len(frame.names):,} columns"
        raise SourceProblemError(too_many_columns(clause, limits))
    if frame.may_lack_columns and not frame.names:
        return  # there is no row, or the first one is no dict
    names = [
        field.name
        for field in fields
        if field.required or field.name in frame.names or not frame.may_lack_columns
    ]
    optional = [field.name for field in fields if field.name not in names]
    header = "the first row" if frame.may_lack_columns else f"the {frame.title}"
    problems = check_header([*frame.names, *optional], [*names, *optional], header=header)
    if problems:
        raise SourceProblemError(*problems)


def open_cells(
    cells: FrameCells,
    fields: Sequence[Field],
    limits: Limits,
    *,
    on_progress: OnProgress = lambda _: None,
    check_keys: CheckKeys | None = None,
) -> RowIntake:
    """Open the cells of a frame; the other arguments are those of ``RowIntake``."""
    blocks = checked_blocks(cells, fields, check_keys=check_keys)
    return RowIntake(cells.columns, blocks, cells.rows, limits, on_progress=on_progress)
