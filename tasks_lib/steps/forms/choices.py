"""The names that run forms offer: organizations, pipelines, datasets and saved mappings.

A parameter with choices has a tab with a list of the registered names, and next to it the input
that it has without them, since a name may be newer than the list. So no value is refused that was
taken before, and schedules and automations keep working.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks_lib.errors import UnavailableError
from tasks_lib.operations.catalogue.names import list_names
from tasks_lib.steps.deployments import update_deployment
from tasks_lib.steps.prefect_api import api_url, translate_errors
from tasks_lib.store.engine import Store

logger = logging.getLogger(__name__)
Choices = Mapping[str, Sequence[str]]
"""The names that run forms offer for the parameters of each title."""

TAG: Final = "seeding"
"""The tag of our deployments; one of your own that has it offers the names, too."""

REGISTERED: Final = "Registered"
MOST_CHOICES: Final = 1_000
"""Of more names, the list has the first ones; the others can be typed."""

_PATIENCE_SECONDS: Final = 10.0
_RETRIES: Final = 2
"""While the server's SQLite is locked, it answers 503."""

_TEXT: Final = {"title": "Other", "type": "string"}


def refresh_choices(store: Store) -> None:
    """Offer the names in the store in the run forms on the configured Prefect server.

    Only a deployment whose names have changed is updated. Without a server nothing happens; if it
    does not answer, that is logged as a warning, and the next upkeep run tries again.
    """
    if api_url() is None:
        return
    choices = list_choices(store)
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: _RETRIES}),
        get_client(sync_client=True, httpx_settings={"timeout": _PATIENCE_SECONDS}) as client,
    ):
        try:
            with translate_errors():
                for deployment in _read_deployments(client):
                    _refresh(client, deployment, choices)
        except UnavailableError as error:
            logger.warning("%s; the lists in the run forms stay as they are", error)


def list_choices(store: Store) -> Choices:
    """Return the names in the store that run forms offer."""
    names = list_names(store)
    return {
        "Pipeline": names.pipelines,
        "Source pipeline": names.pipelines,
        "Organization": names.organizations,
        "Dataset": names.datasets,
        "Saved mapping": names.mappings,
    }


def read_choices(schema: Mapping[str, Any]) -> Choices:
    """Return the names that a deployment's schema of parameters offers."""
    return {
        member["title"]: tab["enum"]
        for member in schema.get("properties", {}).values()
        for tab in member.get("anyOf", ())
        if tab.get("title") == REGISTERED
    }


def add_choices(schema: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """Return a deployment's schema of parameters with these choices instead of any others."""
    properties = {
        name: _offer(member, choices[member["title"]]) if member.get("title") in choices else member
        for name, member in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _read_deployments(client: SyncPrefectClient) -> list[DeploymentResponse]:
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    return client.read_deployments(deployment_filter=ours)


def _refresh(client: SyncPrefectClient, deployment: DeploymentResponse, choices: Choices) -> None:
    schema = deployment.parameter_openapi_schema or {}
    wanted = add_choices(schema, choices)
    if wanted["properties"] != schema.get("properties", {}):
        update_deployment(client, deployment, {"parameter_openapi_schema": wanted})


def _offer(member: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a parameter's schema with a tab for the names, unless there are none."""
    tabs = [tab for tab in member.get("anyOf", [_TEXT]) if tab.get("title") != REGISTERED]
    if names:
        listed = list(names[:MOST_CHOICES])
        tabs = [{"title": REGISTERED, "type": "string", "enum": listed}, *tabs]
    rest = {key: value for key, value in member.items() if key not in ("anyOf", "type")}
    return rest | ({"anyOf": tabs} if tabs != [_TEXT] else {"type": "string"})
