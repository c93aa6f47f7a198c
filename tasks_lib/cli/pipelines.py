"""The commands ``pipeline ...``: list, show and delete pipelines."""

from cyclopts import App

from tasks_lib.cli.optional_prefect import refresh_choices
from tasks_lib.cli.options.arguments import CREATE_TASKS, Json, PipelineArgument
from tasks_lib.cli.options.consent import Yes, confirm
from tasks_lib.cli.options.paging import After, Limit, cut_page
from tasks_lib.cli.output import console, documents
from tasks_lib.cli.workspace import configured_workspace

pipeline = App(name="pipeline", help="List, show and delete pipelines.", group=CREATE_TASKS)


@pipeline.command(name="list")
def list_pipelines(
    organization: str | None = None,
    /,
    *,
    limit: Limit = None,
    after: After = "",
    json: Json = False,
) -> None:
    """List pipelines with the number of their tasks by status, in order of their paths.

    Parameters
    ----------
    organization
        List only the pipelines of this organization.
    """
    from tasks_lib.operations.catalogue import read

    with configured_workspace() as workspace:
        counted = read.list_pipelines(workspace.store, organization)
    page = cut_page(counted, lambda entry: entry.pipeline.id, after=after, limit=limit)
    if json:
        console.print_json([documents.pipeline_document(entry) for entry in page.entries])
    else:
        console.print_pipelines(page.entries)
    page.print_rest()


@pipeline.command
def show(reference: PipelineArgument, /, *, json: Json = False) -> None:
    """Show a pipeline: its fields, and the number of its tasks by status."""
    from tasks_lib.operations.catalogue import read

    with configured_workspace() as workspace:
        pipeline_id = read.find_pipeline(workspace.store, reference).id
        counted = read.find_counted_pipeline(workspace.store, pipeline_id)
    if json:
        console.print_json(documents.whole_pipeline_document(counted))
    else:
        console.print_pipeline(counted)


@pipeline.command
def delete(reference: PipelineArgument, /, *, yes: Yes = False, json: Json = False) -> None:
    """Delete a pipeline that is archived or has no tasks, with everything that belongs to it."""
    from tasks_lib.operations.catalogue.delete import delete_pipeline, describe_pipeline_deletion

    with configured_workspace() as workspace:
        planned = describe_pipeline_deletion(workspace.store, reference)
        confirm(f"Delete pipeline {planned.path} with {planned.content}?", yes=yes)
        deleted = delete_pipeline(workspace, reference, at=workspace.store.now())
        refresh_choices(workspace)
    if json:
        console.print_json(deleted._asdict())
    else:
        text = f"Pipeline {deleted.path} deleted, with {deleted.content}."
        console.out.print(text, markup=False)
