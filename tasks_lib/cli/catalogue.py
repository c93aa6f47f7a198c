"""The commands ``apply`` and ``template``: apply a catalogue, print a pipeline's CSV header."""

from pathlib import Path
from typing import Final

from tasks_lib.cli.optional_prefect import refresh_choices
from tasks_lib.cli.options.arguments import Flag, Json, OutputFile, PipelineArgument
from tasks_lib.cli.output import console
from tasks_lib.cli.output.streams import write, write_file
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.errors import UsageError

_OTHER_FORMATS: Final = frozenset({".json", ".jsonl", ".ods", ".parquet", ".xls", ".xlsx"})


def apply_file(file: Path, /, *, prune: Flag = False, json: Json = False) -> None:
    """Create or update organizations, projects and pipelines as a catalogue file declares them.

    Parameters
    ----------
    file
        A YAML file with organizations, projects, pipelines and their fields.
    prune
        Remove destinations of results that the file's pipelines no longer declare. Nothing else is
        removed: chains and infinite seedings are not part of a catalogue.
    """
    from tasks_lib.operations.catalogue.apply import apply_catalogue

    with configured_workspace(creates_store=True) as workspace:
        applied = apply_catalogue(workspace.store, file, prunes=prune)
        refresh_choices(workspace)
    if json:
        console.print_json({"pipelines": [pipeline._asdict() for pipeline in applied]})
        return
    for pipeline in applied:
        console.out.print(f"{pipeline.outcome:9}  {pipeline.path} ({pipeline.id})", markup=False)


def template(
    pipeline: PipelineArgument,
    /,
    *,
    output: OutputFile = None,
    overwrite: Flag = False,
    json: Json = False,
) -> None:
    """Print the header of a CSV file for a pipeline.

    Parameters
    ----------
    output
        Write the header to this file instead of stdout.
    overwrite
        Replace the file if it exists.
    """
    if output is not None and output.suffix.lower() in _OTHER_FORMATS:
        named = output.with_suffix(".csv")
        raise UsageError(f"{output} would hold CSV, not what its name says; name it {named}")
    from tasks_lib.intake.csv_files.template import BYTE_ORDER_MARK
    from tasks_lib.operations.catalogue.read import find_pipeline, make_csv_template

    with configured_workspace() as workspace:
        target = find_pipeline(workspace.store, pipeline)
        text = make_csv_template(workspace.store, target.id)
    header = text.removeprefix(BYTE_ORDER_MARK)
    names = [field.name for field in target.dataset_fields]
    if not names:
        raise UsageError(f"pipeline {target.path} has no dataset fields, so no file can seed it")
    if output is not None:
        write_file(output, [text], overwrites=overwrite)
    if json:
        shown = {"pipeline_id": target.id, "columns": names, "template": header}
        console.print_json(shown)
    elif output is None:
        write([header])
