"""Commands around the catalogue: apply it, and print the header that a pipeline takes."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tasks_lib import console
from tasks_lib.cli.arguments import Json, PipelineArgument
from tasks_lib.errors import UsageError
from tasks_lib.intake.template import csv_template
from tasks_lib.operations import queries
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings


def apply_file(file: Path, /, *, json: Json = False) -> None:
    """Make the store match a catalogue file.

    Parameters
    ----------
    file
        YAML: organizations, projects, pipelines and their fields.
    """
    with open_workspace(read_settings()) as workspace:
        applied = apply_catalogue(workspace.store, file)
    if json:
        console.print_json({"pipelines": [pipeline._asdict() for pipeline in applied]})
        return
    for pipeline in applied:
        console.out.print(f"{pipeline.outcome:9}  {pipeline.path} ({pipeline.id})", markup=False)


def template(
    pipeline: PipelineArgument,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: Json = False,
) -> None:
    """Print the CSV header that a pipeline takes.

    Parameters
    ----------
    output
        Write it to this file instead.
    """
    with open_workspace(read_settings()) as workspace:
        found = queries.find_pipeline(workspace.store, pipeline)
    names = [field.name for field in found.dataset_fields]
    if not names:
        raise UsageError(f"pipeline {found.path} has no dataset fields, so no file can seed it")
    text = csv_template(names)
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise UsageError(f"{output} cannot be written: {error.strerror}") from None
    if json:
        console.print_json({"pipeline_id": found.id, "columns": names, "template": text})
    elif output is None:
        console.out.file.write(text)
