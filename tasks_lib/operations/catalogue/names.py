"""List the names that a run form offers."""

from typing import NamedTuple

from tasks_lib.store import catalogue
from tasks_lib.store.datasets import datasets, saved_mappings
from tasks_lib.store.engine import Store


class Names(NamedTuple):
    """The names in a store, each list in alphabetical order."""

    pipelines: list[str]
    """The paths of all pipelines."""

    organizations: list[str]
    datasets: list[str]
    mappings: list[str]


def list_names(store: Store) -> Names:
    """Return the names of all organizations, read in one transaction."""
    with store.read() as session:
        return Names(
            pipelines=sorted(catalogue.list_paths(session)),
            organizations=catalogue.list_organizations(session),
            datasets=datasets.list_names(session),
            mappings=saved_mappings.list_names(session),
        )
