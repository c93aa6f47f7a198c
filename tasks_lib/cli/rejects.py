"""The command ``rejects``: rejected rows for Excel."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tasks_lib.cli.options.arguments import Flag, Json, SourceArgument
from tasks_lib.cli.output import console
from tasks_lib.cli.output.streams import new_file
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.names import counted
from tasks_lib.domain.rows.dialects import Dialect, Quote, delimiter_of
from tasks_lib.errors import UsageError


def write_rejects(
    rejects: Annotated[SourceArgument, Parameter(help="The address of a rejects file.")],
    workbook: Annotated[Path, Parameter(help="The workbook to write, such as rejects.xlsx.")],
    /,
    *,
    overwrite: Flag = False,
    encoding: str = "",
    delimiter: str = ",",
    quote: Quote = Quote.DOUBLE,
    json: Json = False,
) -> None:
    """Write rejected rows as an Excel workbook, to correct them there.

    All cells are texts, so that Excel changes nothing that you type. To create the tasks, import
    the corrected workbook as a dataset, and seed from it.

    Parameters
    ----------
    overwrite
        Replace the workbook if it exists.
    encoding
        The encoding that the file was seeded with.
    delimiter
        The delimiter that the file was seeded with.
    quote
        The quote that the file was seeded with.
    """
    from tasks_lib.operations.seeding.rejects_workbook import write_workbook

    if workbook.suffix.lower() != ".xlsx":
        raise UsageError(f"{workbook} would hold a workbook of Excel; give a name ending in .xlsx")
    dialect = Dialect(delimiter_of(delimiter), quote, encoding)
    with (
        configured_workspace() as workspace,
        new_file(workbook, overwrites=overwrite) as file,
    ):
        rows = write_workbook(workspace.limits, rejects, file, dialect)
    if json:
        console.print_json({"rows": rows, "workbook": str(workbook)})
    else:
        console.out.print(f"wrote {counted(rows, 'rejected row')} to {workbook}.", markup=False)
