"""The commands ``dataset ...``: the Data Vault of an organization."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tasks_lib import console
from tasks_lib.cli.arguments import Flag, Json, WholeNumber
from tasks_lib.cli.seeding import read_secret
from tasks_lib.errors import UsageError
from tasks_lib.intake.dataset_intake import DatasetFormat
from tasks_lib.operations import data_vault
from tasks_lib.operations.import_dataset import (
    ImportMode,
    ImportRejectedError,
    ImportRequest,
    import_dataset,
)
from tasks_lib.operations.query_datasets import (
    QueryRequest,
    RefreshRejectedError,
    add_query,
    refresh_dataset,
)
from tasks_lib.operations.workspace import open_workspace
from tasks_lib.settings import read_settings

dataset = App(name="dataset", help="Look after the datasets of an organization.")


@dataset.command(name="import")
def import_file(
    organization: str,
    name: str,
    file: str,
    /,
    *,
    append: Annotated[bool, Flag] = False,
    replace: Annotated[bool, Flag] = False,
    written: Annotated[
        Literal["csv", "json", "jsonl", "parquet"] | None, Parameter(name="--format")
    ] = None,
    encoding: str = "",
    delimiter: str = ",",
    json: Json = False,
) -> None:
    """Import a file's rows into a dataset, all of them or none.

    Parameters
    ----------
    organization
        The organization's name.
    name
        The dataset's name; it is made if it is not there.
    file
        CSV, a JSON array of objects, JSON Lines or Parquet: a path or any fsspec URL.
    append
        Add the rows to those that are there.
    replace
        Let the rows take the place of those that are there.
    written
        How the file is written; by default its name says, or its beginning.
    encoding
        Such as cp1252; by default UTF-8, or what the byte order mark says.
    delimiter
        One character between a CSV's cells.
    """
    if append and replace:
        raise UsageError("--append and --replace exclude each other")
    mode = ImportMode.APPEND if append else ImportMode.CREATE
    request = ImportRequest(
        organization,
        name,
        file,
        ImportMode.REPLACE if replace else mode,
        DatasetFormat(written) if written else None,
        encoding,
        delimiter,
    )
    with (
        open_workspace(read_settings()) as workspace,
        _told_of(ImportRejectedError, as_json=json),
        console.progress_bar(file) as on_progress,
    ):
        report = import_dataset(workspace, request, on_progress)
    if json:
        console.print_json(report.model_dump(mode="json"))
    else:
        console.out.print(report.sentence, markup=False)


@dataset.command(name="add-sql")
def add_sql(
    organization: str,
    name: str,
    connection: str,
    query: str,
    /,
    *,
    key: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    json: Json = False,
) -> None:
    """Make a query of another SQL database a dataset; seeding from it takes in what is new.

    Parameters
    ----------
    organization
        The organization's name.
    name
        The dataset's name.
    connection
        sqlite:///path, postgresql://user@host/database, or secret:BLOCK, a Secret block of Prefect.
    query
        One SELECT or WITH, or a table's name.
    key
        A column that tells rows apart; repeat. By default all columns do.
    """
    request = QueryRequest(organization, name, connection, query, tuple(key))
    with (
        open_workspace(read_settings(), read_secret) as workspace,
        _told_of(RefreshRejectedError, as_json=json),
    ):
        columns = add_query(workspace, request)
    if json:
        typed = [{"name": column.name, "type": column.type.value} for column in columns]
        console.print_json({"dataset": name, "columns": typed})
    else:
        names = ", ".join(f"{column.name} ({column.type.value})" for column in columns)
        console.out.print(f"{name} is a query now: {names}", markup=False)


@dataset.command
def refresh(organization: str, name: str, /, *, json: Json = False) -> None:
    """Take in the new rows of a dataset that is a query."""
    with (
        open_workspace(read_settings(), read_secret) as workspace,
        _told_of(RefreshRejectedError, as_json=json),
    ):
        report = refresh_dataset(workspace, organization, name)
    if json:
        console.print_json(report.model_dump(mode="json"))
    else:
        console.out.print(report.sentence, markup=False)


@dataset.command(name="list")
def list_datasets(organization: str, /, *, json: Json = False) -> None:
    """List the datasets of an organization, its pipelines among them."""
    with open_workspace(read_settings()) as workspace:
        found = data_vault.list_datasets(workspace.store, organization)
    if json:
        console.print_json([entry.document for entry in found])
    else:
        console.print_datasets(found)


@dataset.command
def show(organization: str, name: str, /, *, rows: WholeNumber = 5, json: Json = False) -> None:
    """Show a dataset: its columns, the imports that it comes from, and its first rows.

    Parameters
    ----------
    name
        A dataset's name, or project/pipeline.
    rows
        How many rows to show.
    """
    with open_workspace(read_settings()) as workspace:
        found = data_vault.show_dataset(workspace.store, organization, name, rows=rows)
    if json:
        console.print_json(found.document)
    else:
        console.print_dataset(found)


@dataset.command
def export(
    organization: str,
    name: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: Json = False,
) -> None:
    """Print a dataset's rows as JSON Lines; with --json, as one JSON array.

    Parameters
    ----------
    name
        A dataset's name, or project/pipeline.
    output
        Write them to this file instead.
    """
    with open_workspace(read_settings()) as workspace:
        lines = data_vault.export_dataset(workspace.store, organization, name)
        if json:
            lines = as_array(lines)
        if output is None:
            _print_lines(lines)
            return
        try:
            with output.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
        except OSError as error:
            raise UsageError(f"{output} cannot be written: {error.strerror}") from None


@contextmanager
def _told_of(
    rejection: type[ImportRejectedError | RefreshRejectedError], *, as_json: bool
) -> Iterator[None]:
    """Print the report of a rejection before it goes on to the exit status."""
    try:
        yield
    except rejection as error:
        console.print_error(error, as_json=False)
        if as_json:
            console.print_json(error.report.model_dump(mode="json"))
        else:
            console.print_problems(error.report.errors)
        raise


def _print_lines(lines: Iterable[str]) -> None:
    try:
        console.out.file.writelines(lines)
        console.out.file.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as head has; nobody hears of more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_array(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines as the elements of one JSON array."""
    yield "["
    for number, line in enumerate(lines):
        yield ("," if number else "") + line.rstrip("\n")
    yield "]\n"
