"""The commands ``mapping ...``: mappings that seedings saved."""

from cyclopts import App

from tasks_lib import console
from tasks_lib.cli.arguments import Json, PipelineArgument
from tasks_lib.operations import saved_mappings
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

mapping = App(name="mapping", help="Look at the saved mappings of a pipeline.")


@mapping.command(name="list")
def list_mappings(pipeline: PipelineArgument, /, *, json: Json = False) -> None:
    """List the saved mappings of a pipeline, all versions of them."""
    with open_workspace(read_settings()) as workspace:
        found = saved_mappings.list_mappings(workspace.store, pipeline)
    if json:
        console.print_json([saved_mappings.mapping_document(saved) for saved in found])
    else:
        console.print_mappings(found)


@mapping.command
def show(pipeline: PipelineArgument, name: str, /, *, json: Json = False) -> None:
    """Show a saved mapping.

    Parameters
    ----------
    name
        NAME for its latest version, or NAME@VERSION.
    """
    with open_workspace(read_settings()) as workspace:
        found = saved_mappings.show_mapping(workspace.store, pipeline, name)
    if json:
        console.print_json(saved_mappings.mapping_document(found))
    else:
        console.print_mapping(found)
