"""The command ``seeding``. Each command reads the settings, calls an operation, and prints."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from cyclopts import App, CycloptsError, Parameter
from fsspec.utils import get_protocol

from tasks_lib import console
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.domain.statuses import OnError, TaskStatus
from tasks_lib.errors import SeedingError, UsageError
from tasks_lib.intake.template import csv_template
from tasks_lib.operations import queries
from tasks_lib.operations.apply_catalogue import apply_catalogue
from tasks_lib.operations.seed_from_csv import CsvRequest, seed_from_csv
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings
from tasks_lib.store.engine import Store

app = App(
    name="seeding",
    help="Create work for people in bulk: files become tasks, exactly once.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
seed = App(name="seed", help="Create tasks from a source.")
tasks = App(name="tasks", help="Look at tasks.")
db = App(name="db", help="Look after the store.")
app.command(seed)
app.command(tasks)
app.command(db)

PipelineArgument = Annotated[
    str, Parameter(help="The pipeline's number, or organization/project/pipeline.")
]
Json = Annotated[
    bool, Parameter(name="--json", negative=(), help="Print one JSON document on stdout.")
]
Flag = Parameter(negative=())


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; return 0 done, 1 rejected, 2 usage, 3 store, storage or Prefect away.

    130 after Ctrl-C, as shells have it.
    """
    as_json = "--json" in arguments
    try:
        app(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        usage = UsageError(" ".join(str(error).split()))
        console.print_error(usage, as_json=as_json)
        return usage.exit_status
    except SourceRejectedError as error:  # its report has been printed
        return error.exit_status
    except SeedingError as error:
        console.print_error(error, as_json=as_json)
        return error.exit_status
    except KeyboardInterrupt:
        console.err.print("interrupted; run it again to finish: nothing is created twice")
        return 130
    return 0


@app.command(name="apply")
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


@app.command
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


@seed.command(name="csv")
def seed_csv(
    pipeline: PipelineArgument,
    source: str,
    /,
    *,
    on_error: OnError = OnError.REJECT_FILE,
    dry_run: Annotated[bool, Flag] = False,
    allow_duplicate: Annotated[bool, Flag] = False,
    encoding: str = "",
    delimiter: str = ",",
    deployed: Annotated[bool, Flag] = False,
    json: Json = False,
) -> None:
    """Create one task for each row of a CSV file.

    Parameters
    ----------
    source
        A path, s3://bucket/key, https://..., or any fsspec URL; gzipped if it ends in .gz.
    on_error
        What a bad row does: turn the whole file away, or only itself.
    dry_run
        Check everything and create nothing.
    allow_duplicate
        Seed content again that the pipeline already holds.
    encoding
        Such as cp1252 or shift_jis; by default UTF-8, or UTF-16 by its byte order mark.
    delimiter
        One character between cells, or the word tab.
    deployed
        Start the deployment seed-from-csv and wait for it, instead of running here.
    """
    request = CsvRequest(pipeline, source, on_error, dry_run, allow_duplicate, encoding, delimiter)
    with open_workspace(read_settings()) as workspace:
        found = queries.find_pipeline(workspace.store, pipeline)
        if deployed:
            report = _run_deployed("seed-from-csv", _parameters(request), workspace.store)
        elif _is_prefect_configured():
            report = _run_csv_flow(_parameters(request), found)
        else:
            with console.progress_bar(source) as on_progress:
                run_id = str(uuid4())
                report = seed_from_csv(
                    workspace, request, run_id=run_id, on_progress=on_progress
                ).report
    _finish(report, found, as_json=json)


@app.command
def groups(pipeline: PipelineArgument, /, *, json: Json = False) -> None:
    """List a pipeline's task groups, oldest first."""
    with open_workspace(read_settings()) as workspace:
        found = queries.list_groups(workspace.store, pipeline)
    if json:
        console.print_json([group._asdict() for group in found])
    else:
        console.print_groups(found)


@tasks.command(name="list")
def list_tasks(
    pipeline: PipelineArgument,
    /,
    *,
    group: int | None = None,
    status: TaskStatus | None = None,
    limit: int = 20,
    json: Json = False,
) -> None:
    """List a pipeline's tasks, oldest first.

    Parameters
    ----------
    group
        Only the tasks of this group.
    status
        Only the tasks of this status.
    limit
        At most this many.
    """
    with open_workspace(read_settings()) as workspace:
        found = queries.list_tasks(
            workspace.store, pipeline, group_id=group, status=status, limit=limit
        )
    if json:
        console.print_json([console.task_document(task) for task in found])
    else:
        console.print_tasks(found)


@tasks.command(name="show")
def show_task(task: int, /, *, json: Json = False) -> None:
    """Show one task with all its values and where it came from.

    Parameters
    ----------
    task
        The task's number.
    """
    with open_workspace(read_settings()) as workspace:
        found = queries.find_task(workspace.store, task)
    if json:
        console.print_json(console.task_document(found))
    else:
        console.print_task(found)


@db.command
def upgrade(*, json: Json = False) -> None:
    """Bring the store to this release's revision; nothing happens when it is there."""
    settings = read_settings()
    store = Store.open_any(
        settings.database_url, busy_timeout_seconds=settings.busy_timeout_seconds
    )
    before = store.revision()
    store.upgrade()
    after = store.revision()
    store.close()
    if json:
        console.print_json({"before": before, "after": after})
    else:
        console.out.print(f"The store is at revision {after} (was: {before or 'not there'}).")


def _is_prefect_configured() -> bool:
    from tasks_lib.steps import server  # noqa: PLC0415 - loading Prefect takes a second

    return server.api_url() is not None


def _run_csv_flow(parameters: dict[str, Any], pipeline: Pipeline) -> Report:
    """Run the flow in this process, recorded on the configured Prefect server."""
    from flows.seed_from_csv import seed_from_csv as flow  # noqa: PLC0415 - loads Prefect
    from tasks_lib.steps import server  # noqa: PLC0415

    server.check_server()
    result: Any = flow(**parameters, return_state=True).result(raise_on_failure=False)
    if isinstance(result, SourceRejectedError):
        return result.report
    if isinstance(result, BaseException):
        raise result
    assert pipeline.id == result["pipeline_id"]  # noqa: S101
    return Report.model_validate(result)


def _run_deployed(name: str, parameters: dict[str, Any], store: Store) -> Report:
    """Run the deployment and return the report that its run left in the store."""
    from tasks_lib.steps import server  # noqa: PLC0415 - loads Prefect

    def tell(state: str) -> None:
        console.err.print(f"{name}: {state}", markup=False)

    return server.run_seeding(name, parameters, store, tell)[1]


def _parameters(request: CsvRequest) -> dict[str, Any]:
    """Return a request as flow parameters; a worker may stand in another folder."""
    is_local = get_protocol(request.source) == "file" and "://" not in request.source
    return {
        "pipeline": request.pipeline,
        "source": str(Path(request.source).absolute()) if is_local else request.source,
        "on_error": request.on_error.value,
        "dry_run": request.dry_run,
        "allow_duplicate": request.allow_duplicate,
        "encoding": request.encoding,
        "delimiter": request.delimiter,
    }


def _finish(report: Report, pipeline: Pipeline, *, as_json: bool) -> None:
    if as_json:
        console.print_json(report.model_dump(mode="json"))
        if report.is_rejection:
            console.err.print(report.sentence, markup=False)
    else:
        console.print_report(report, pipeline.path)
    if report.is_rejection:
        raise SourceRejectedError(report)
