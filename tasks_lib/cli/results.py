"""The commands ``results ...``: show finished tasks, and export them."""

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tasks_lib.cli.optional_prefect import announce
from tasks_lib.cli.options.arguments import WORK, Flag, Json, PipelineArgument, WholeNumber
from tasks_lib.cli.output import console
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.names import counted
from tasks_lib.domain.result_formats import ResultFormat, TextFormat

if TYPE_CHECKING:  # loads Arrow
    from tasks_lib.operations.results.declared import DeclaredReport

results = App(name="results", help="Show finished tasks, and export them.", group=WORK)

GroupOption = Annotated[
    WholeNumber | None, Parameter(name="--group", help="Only the tasks of this group.")
]
WithSource = Annotated[
    Flag,
    Parameter(
        help="Add the columns of the tasks that these were created from, through any number of"
        " chains. Their names begin with the name of their pipeline and a dot."
    ),
]


@results.command
def show(
    pipeline: PipelineArgument,
    /,
    *,
    group: GroupOption = None,
    format: TextFormat = TextFormat.JSONL,  # noqa: A002 - the option's name
    with_source: WithSource = False,
    after: WholeNumber = 0,
    limit: WholeNumber | None = None,
    json: Json = False,
) -> None:
    """Print the finished tasks of a pipeline, in the order in which they were finished.

    Parameters
    ----------
    format
        JSON Lines, or CSV with a header. With --json, one document with all of them.
    after
        Begin after the task with this place in the order of finishing. The last line on stderr
        shows the place of the last task.
    limit
        Print at most so many tasks.
    """
    from tasks_lib.operations.results.show import write_results

    lines: list[str] = []
    with configured_workspace() as workspace:
        shown = write_results(
            workspace.store,
            lambda some: (lines.append if json else sys.stdout.write)(some.decode()),
            pipeline=pipeline,
            group_id=group,
            kind=TextFormat.JSONL if json else format,
            after=after,
            limit=limit,
            with_source=with_source,
        )
    if json:
        items = ",".join("".join(lines).removesuffix("\n").split("\n"))
        sys.stdout.write(f'{{"items":[{items}],"until":{shown.until}}}\n')
        return
    tasks = counted(shown.rows, "finished task")
    console.err.print(f"{tasks}; for later ones: --after {shown.until}", markup=False)


@results.command
def export(
    pipeline: Annotated[
        str,
        Parameter(
            help="The pipeline's number, or its path organization/project/pipeline. If omitted, "
            "all pipelines whose catalogue declares destinations."
        ),
    ] = "",
    destination: Annotated[
        str,
        Parameter(
            help="A folder: a path, s3://bucket/prefix, or any fsspec URL. Or a table: "
            "postgresql://user@host/database?table=NAME, or secret:BLOCK?table=NAME. If omitted, "
            "those that the catalogue declares."
        ),
    ] = "",
    /,
    *,
    format: ResultFormat = ResultFormat.PARQUET,  # noqa: A002 - the option's name
    group: GroupOption = None,
    by_day: Flag = False,
    with_source: WithSource = False,
    with_files: Flag = False,
    full: Flag = False,
    json: Json = False,
) -> None:
    """Export the tasks that were finished since the last export to the same folder or table.

    Each finished task is exported once, in the order of finishing. If the command is interrupted,
    run it again: the files or rows have no gap and no duplicate.

    Parameters
    ----------
    format
        Parquet, CSV, JSON Lines, or Excel, up to the limits of a sheet.
    by_day
        Write the files into a folder for each day (UTC) on which tasks were finished.
    with_files
        Copy the files of file fields into the folder files of the destination.
    full
        Start over: replace the files or rows of earlier exports by new ones with all finished
        tasks.
    """
    from tasks_lib.operations.results.declared import Options, export_declared
    from tasks_lib.operations.results.export import ExportRequest, export_results

    if not destination:
        Options(format, group, by_day, with_source, with_files).check_none()
        with configured_workspace() as workspace:
            with console.progress_bar(pipeline or "results") as on_progress:
                declared = export_declared(workspace, pipeline, full=full, on_progress=on_progress)
            announce(workspace)
        _print_declared(declared, json=json)
        return
    request = ExportRequest(
        pipeline=pipeline,
        destination=destination,
        format=format,
        group=group,
        by_day=by_day,
        full=full,
        with_source=with_source,
        with_files=with_files,
    )
    with configured_workspace() as workspace:
        with console.progress_bar(pipeline) as on_progress:
            report = export_results(workspace, request, on_progress=on_progress)
        announce(workspace)
    if json:
        console.print_json(report.model_dump(mode="json"))
    else:
        console.out.print(report.sentence, markup=False)


def _print_declared(report: "DeclaredReport", *, json: bool) -> None:
    if json:
        console.print_json(report.model_dump(mode="json"))
        return
    for export in report.exports:
        console.out.print(export.sentence, markup=False)
    if not report.exports:
        console.out.print(report.sentence, markup=False)
