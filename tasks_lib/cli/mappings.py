"""The commands ``mapping ...``: list and show saved mappings."""

from cyclopts import App

from tasks_lib.cli.options.arguments import DATA, Json, PipelineArgument
from tasks_lib.cli.options.paging import After, Limit, cut_page
from tasks_lib.cli.output import console, documents
from tasks_lib.cli.workspace import configured_workspace

mapping = App(name="mapping", help="List and show the saved mappings of a pipeline.", group=DATA)


@mapping.command(name="list")
def list_mappings(
    pipeline: PipelineArgument,
    /,
    *,
    limit: Limit = None,
    after: After = "",
    json: Json = False,
) -> None:
    """List the saved mappings of a pipeline, with all their versions."""
    from tasks_lib.operations.datasets import saved_mappings

    with configured_workspace() as workspace:
        mappings = saved_mappings.list_mappings(workspace.store, pipeline)
    page = cut_page(
        mappings, lambda saved: f"{saved.name}@{saved.version}", after=after, limit=limit
    )
    if json:
        console.print_json([documents.mapping_document(saved) for saved in page.entries])
    else:
        console.print_mappings(page.entries)
    page.print_rest()


@mapping.command
def show(pipeline: PipelineArgument, name: str, /, *, json: Json = False) -> None:
    """Show which column fills which field in a saved mapping.

    Parameters
    ----------
    name
        NAME for the latest version, or NAME@VERSION.
    """
    from tasks_lib.operations.datasets import saved_mappings

    with configured_workspace() as workspace:
        saved = saved_mappings.show_mapping(workspace.store, pipeline, name)
    if json:
        console.print_json(documents.mapping_document(saved))
    else:
        console.print_mapping(saved)
