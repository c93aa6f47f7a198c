"""The commands ``dataset ...``: import, list, show, export and delete datasets."""

from collections.abc import Iterator
from typing import Annotated, Final

from cyclopts import App, Parameter

from tasks_lib.cli.import_dataset import import_file, printing_rejection, split_names
from tasks_lib.cli.optional_prefect import refresh_choices
from tasks_lib.cli.options.arguments import (
    DATA,
    Flag,
    Json,
    OrganizationArgument,
    OutputFile,
    WholeNumber,
)
from tasks_lib.cli.options.consent import Yes, confirm
from tasks_lib.cli.options.paging import After, Limit, cut_page
from tasks_lib.cli.output import console, documents
from tasks_lib.cli.output.streams import write, write_file
from tasks_lib.cli.workspace import configured_workspace
from tasks_lib.domain.names import counted
from tasks_lib.errors import UsageError

_OTHER_FORMATS: Final = frozenset({".csv", ".tsv", ".parquet", ".xlsx"})

dataset = App(name="dataset", help="Manage datasets.", group=DATA)


dataset.command(import_file, name="import")


@dataset.command(name="add-sql")
def add_sql(
    organization: OrganizationArgument,
    name: str,
    connection: str,
    query: str,
    /,
    *,
    key: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    json: Json = False,
) -> None:
    """Create a dataset from a query of another SQL database. Each seeding reads its rows.

    Parameters
    ----------
    name
        The dataset's name.
    connection
        sqlite:///path, postgresql://user@host/database, or secret:BLOCK for a Prefect Secret block.
    query
        One SELECT or WITH statement, or the name of a table.
    key
        The columns that identify a row, as id or shop,id. By default all columns together.
    """
    from tasks_lib.domain.mapping.conversions import columns_to_json
    from tasks_lib.operations.datasets.query_datasets import (
        QueryRequest,
        RefreshRejectedError,
        add_query,
    )

    request = QueryRequest(
        organization=organization,
        name=name,
        connection=connection,
        query=query,
        key_columns=split_names(key),
    )
    with (
        configured_workspace() as workspace,
        printing_rejection(RefreshRejectedError, as_json=json),
    ):
        columns = add_query(workspace, request)
        refresh_choices(workspace)
    if json:
        console.print_json({"dataset": name, "columns": columns_to_json(columns)})
    else:
        names = ", ".join(f"{column.name} ({column.type.value})" for column in columns)
        console.out.print(f"{name} is a query now: {names}", markup=False)


@dataset.command
def refresh(
    organization: OrganizationArgument,
    name: str,
    /,
    *,
    full: Flag = False,
    allow_shrink: Flag = False,
    json: Json = False,
) -> None:
    """Read the new and changed rows of a dataset that was created from a query.

    Parameters
    ----------
    name
        The dataset's name.
    full
        The query returns all rows: those that it lacks are removed from the dataset.
    allow_shrink
        With --full: let more than half of the rows be removed.
    """
    from tasks_lib.operations.datasets.query_datasets import (
        RefreshRejectedError,
        refresh_dataset,
    )

    with (
        configured_workspace() as workspace,
        printing_rejection(RefreshRejectedError, as_json=json),
    ):
        report = refresh_dataset(
            workspace, organization, name, full=full, allow_shrink=allow_shrink
        )
        refresh_choices(workspace)
    if json:
        console.print_json(report.model_dump(mode="json"))
    else:
        console.out.print(report.sentence, markup=False)


@dataset.command(name="list")
def list_datasets(
    organization: OrganizationArgument,
    /,
    *,
    limit: Limit = None,
    after: After = "",
    json: Json = False,
) -> None:
    """List the datasets of an organization; each of its pipelines is one, too."""
    from tasks_lib.operations.datasets import data_vault

    with configured_workspace() as workspace:
        entries = data_vault.list_datasets(workspace.store, organization)
    page = cut_page(entries, lambda entry: entry.name, after=after, limit=limit)
    if json:
        console.print_json([documents.dataset_document(entry) for entry in page.entries])
    else:
        console.print_datasets(page.entries)
    page.print_rest()


@dataset.command
def show(
    organization: OrganizationArgument,
    name: str,
    /,
    *,
    rows: WholeNumber = 5,
    version: WholeNumber | None = None,
    json: Json = False,
) -> None:
    """Show the columns, versions and first rows of a dataset.

    Parameters
    ----------
    name
        The dataset's name, or project/pipeline.
    rows
        How many rows to show.
    version
        Show the rows that the dataset had after this import. By default, after the last one.
    """
    from tasks_lib.operations.datasets import data_vault

    with configured_workspace() as workspace:
        entry = data_vault.show_dataset(
            workspace.store, organization, name, rows=rows, version=version
        )
    if json:
        console.print_json(documents.dataset_document(entry))
    else:
        console.print_dataset(entry)


@dataset.command
def export(
    organization: OrganizationArgument,
    name: str,
    /,
    *,
    output: OutputFile = None,
    overwrite: Flag = False,
    version: WholeNumber | None = None,
    json: Json = False,
) -> None:
    """Print the rows of a dataset as JSON Lines, or with --json as one JSON array.

    Parameters
    ----------
    name
        The dataset's name, or project/pipeline.
    output
        Write the rows to this file instead of stdout.
    overwrite
        Replace the file if it exists.
    version
        The rows that the dataset had after this import. By default, after the last one.
    """
    from tasks_lib.operations.datasets import data_vault

    if output is not None and output.suffix.lower() in _OTHER_FORMATS:
        named = output.with_suffix(".json" if json else ".jsonl")
        raise UsageError(f"{output} would hold JSON, not what its name says; name it {named}")
    with configured_workspace() as workspace:
        lines = data_vault.export_dataset(workspace.store, organization, name, version=version)
        if json:
            lines = as_array(lines)
        if output is None:
            write(lines)
            return
        write_file(output, lines, overwrites=overwrite)


@dataset.command
def delete(
    organization: OrganizationArgument, name: str, /, *, yes: Yes = False, json: Json = False
) -> None:
    """Delete a dataset from which no pipeline was seeded that is not archived.

    Parameters
    ----------
    name
        The dataset's name.
    """
    from tasks_lib.operations.datasets.delete import delete_dataset, describe_dataset_deletion

    with configured_workspace() as workspace:
        planned = describe_dataset_deletion(workspace.store, organization, name)
        content = f"{counted(planned.rows, 'row')} in {counted(planned.versions, 'version')}"
        confirm(f"Delete dataset {name} of {organization} with {content}?", yes=yes)
        deleted = delete_dataset(workspace.store, organization, name, at=workspace.store.now())
        refresh_choices(workspace)
    if json:
        console.print_json(deleted._asdict())
    else:
        console.out.print(f"Dataset {name} deleted, with {content}.", markup=False)


def as_array(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines as the elements of one JSON array."""
    yield "["
    for number, line in enumerate(lines):
        yield ("," if number else "") + line.rstrip("\n")
    yield "]\n"
