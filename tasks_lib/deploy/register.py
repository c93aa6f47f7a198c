"""Register the work pool and all deployments of prefect.yaml on a Prefect server.

As ``prefect deploy --all`` does, but from the installed package as well, and without a PATCH where
nothing differs: each one deletes the runs that the server has scheduled.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    WorkPoolCreate,
)
from prefect.client.schemas.objects import ConcurrencyOptions, DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import (
    CronSchedule,
    IntervalSchedule,
    NoSchedule,
    RRuleSchedule,
)
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.flows import Flow
from prefect.workers.process import ProcessWorker

from tasks_lib.deploy.manifest import (
    WORK_POOL,
    Deployment,
    Schedule,
    entrypoint_of,
    layout,
    load_flows,
    read_manifest,
)
from tasks_lib.operations.chains.manage import list_chains
from tasks_lib.steps.automations import Checkup, examine, mirror_switches
from tasks_lib.steps.deployments import update_deployment
from tasks_lib.steps.forms.choices import Choices, add_choices, list_choices, read_choices
from tasks_lib.steps.prefect_api import check_server, translate_errors
from tasks_lib.steps.upkeep.reconcile import ensure_upkeep
from tasks_lib.store.engine import Store

_RETIRED: Final[dict[str, set[str | None]]] = {"reconcile": {"every-minute", "hourly"}}
"""Slugs of schedules of earlier releases, which are deleted."""

_DIRECTORY_STEP: Final = "prefect.deployments.steps.set_working_directory"


class Outcome(StrEnum):
    """The change that registering has made to a deployment."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Registered(NamedTuple):
    """A deployment on the server: its id, the outcome, and its schedules as they are there."""

    deployment: str
    outcome: Outcome
    id: str
    entrypoint: str
    work_pool: str
    schedules: list[str]


class Deployed(NamedTuple):
    """The result of ``deploy``; ``automations`` are those of the store's chains."""

    work_pool: str
    is_work_pool_new: bool
    deployments: list[Registered]
    automations: list[Checkup]


def deploy(store: Store) -> Deployed:
    """Register the work pool, all deployments, and the automations of all chains; start upkeep.

    Can be repeated at any time. Raises PrefectUnavailableError.
    """
    check_server()
    with get_client(sync_client=True) as client, translate_errors():
        is_new = create_work_pool(client)
        registered = list(register_deployments(client, list_choices(store)))
    ensure_upkeep()
    chains = list_chains(store, None)
    if chains:
        mirror_switches(store)  # a chain that is switched off in the UI stays off
        chains = list_chains(store, None)
    return Deployed(WORK_POOL, is_new, registered, examine(store, chains, repairs=True))


def create_work_pool(client: SyncPrefectClient, *, command: str | None = None) -> bool:
    """Create the work pool if it is missing, and return whether it was.

    ``command`` is the default command that starts a flow run. An existing pool stays as it is.
    """
    template = ProcessWorker.get_default_base_job_template()
    if command is not None:
        template["variables"]["properties"]["command"]["default"] = command
    pool = WorkPoolCreate(name=WORK_POOL, type=ProcessWorker.type, base_job_template=template)
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(pool)
        return True
    return False


def register_deployments(
    client: SyncPrefectClient, choices: Choices | None = None
) -> Iterator[Registered]:
    """Create or update each deployment of prefect.yaml, and yield it.

    The run forms offer these choices, by default those that they offer already. Pauses, default
    parameters, job variables and schedules that somebody has changed on the server stay; a schedule
    that is missing is created. Raises ManifestRejectedError before any change.
    """
    manifest = read_manifest()
    flows = load_flows(manifest)
    for deployment in manifest.deployments:
        yield _register(client, deployment, flows[deployment.name], choices)


def _register(
    client: SyncPrefectClient,
    deployment: Deployment,
    flow: Flow[..., Any],
    choices: Choices | None,
) -> Registered:
    schema = flow.parameters.model_dump(exclude_unset=True)
    try:
        existing = client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        outcome = Outcome.CREATED
        schema = add_choices(schema, choices or {})
        deployment_id = _create(client, deployment, flow, schema)
    else:
        deployment_id = existing.id
        if choices is None:
            choices = read_choices(existing.parameter_openapi_schema or {})
        outcome = _update(client, deployment, add_choices(schema, choices), existing)
    current = client.read_deployment(deployment_id)
    return Registered(
        deployment.name,
        outcome,
        str(deployment_id),
        current.entrypoint or "",
        current.work_pool_name or "",
        sorted(_describe(schedule) for schedule in current.schedules),
    )


def _create(
    client: SyncPrefectClient,
    deployment: Deployment,
    flow: Flow[..., Any],
    schema: dict[str, Any],
) -> UUID:
    limit = deployment.concurrency_limit
    return client.create_deployment(
        flow_id=client.create_flow(flow),
        name=deployment.name,
        description=deployment.description,
        tags=deployment.tags,
        entrypoint=entrypoint_of(deployment),
        path=_path(),
        pull_steps=_pull_steps(),
        work_pool_name=deployment.work_pool.name,
        job_variables=deployment.work_pool.job_variables,
        parameters=deployment.parameters,
        parameter_openapi_schema=schema,
        enforce_parameter_schema=True,
        concurrency_limit=limit.limit if limit else None,
        concurrency_options=_options(deployment),
        schedules=[_schedule(schedule) for schedule in deployment.schedules],
    )


def _update(
    client: SyncPrefectClient,
    deployment: Deployment,
    schema: dict[str, Any],
    existing: DeploymentResponse,
) -> Outcome:
    changes = _changes(deployment, schema, existing)
    if changes:
        update_deployment(client, existing, changes)
    slugs = {schedule.slug for schedule in existing.schedules}
    missing = [
        _schedule(schedule) for schedule in deployment.schedules if schedule.slug not in slugs
    ]
    if missing:
        client.create_deployment_schedules(existing.id, missing)
    retired = _RETIRED.get(deployment.name, set()) & slugs
    for schedule in existing.schedules:
        if schedule.slug in retired:
            client.delete_deployment_schedule(existing.id, schedule.id)
    return Outcome.UPDATED if changes or missing or retired else Outcome.UNCHANGED


def _changes(
    deployment: Deployment, schema: dict[str, Any], existing: DeploymentResponse
) -> dict[str, Any]:
    """Return the members that an update has to set; none if the deployment is up to date."""
    limit, options = deployment.concurrency_limit, _options(deployment)
    pairs: dict[str, tuple[object, object]] = {
        "description": (existing.description, deployment.description),
        "tags": (sorted(existing.tags), sorted(deployment.tags)),
        "entrypoint": (existing.entrypoint, entrypoint_of(deployment)),
        "path": (existing.path, _path()),
        "pull_steps": (existing.pull_steps or None, _pull_steps()),
        "work_pool_name": (existing.work_pool_name, deployment.work_pool.name),
        "parameter_openapi_schema": (existing.parameter_openapi_schema, schema),
        "enforce_parameter_schema": (existing.enforce_parameter_schema, True),
        "concurrency_limit": (_limit_of(existing), limit.limit if limit else None),
        "concurrency_options": (
            existing.concurrency_options and existing.concurrency_options.collision_strategy,
            options and options.collision_strategy,
        ),
    }
    if deployment.parameters:
        pairs["parameters"] = (existing.parameters, deployment.parameters)
    if deployment.work_pool.job_variables:
        pairs["job_variables"] = (existing.job_variables, deployment.work_pool.job_variables)
    changes = {name: new for name, (old, new) in pairs.items() if old != new}
    if "concurrency_options" in changes:
        changes["concurrency_options"] = options
    return changes


def _limit_of(existing: DeploymentResponse) -> int | None:
    limit = existing.global_concurrency_limit
    return limit.limit if limit else None


def _options(deployment: Deployment) -> ConcurrencyOptions | None:
    limit = deployment.concurrency_limit
    return ConcurrencyOptions(collision_strategy=limit.collision_strategy) if limit else None


def _path() -> str | None:
    folder = layout().folder
    return str(folder) if folder else None


def _pull_steps() -> list[dict[str, Any]] | None:
    """Let flow runs start in the checkout, as ``prefect deploy`` does."""
    folder = layout().folder
    return [{_DIRECTORY_STEP: {"directory": str(folder)}}] if folder else None


def _schedule(schedule: Schedule) -> DeploymentScheduleCreate:
    timezone = schedule.timezone or "UTC"
    rhythm = (
        CronSchedule(cron=schedule.cron, timezone=timezone)
        if schedule.cron is not None
        else IntervalSchedule(interval=timedelta(seconds=schedule.interval or 0), timezone=timezone)
    )
    return DeploymentScheduleCreate(
        schedule=rhythm,
        active=schedule.active,
        parameters=schedule.parameters,
        slug=schedule.slug,
    )


def _describe(schedule: DeploymentSchedule) -> str:
    match schedule.schedule:
        case CronSchedule(cron=cron):
            rhythm = cron
        case IntervalSchedule(interval=interval):
            rhythm = f"every {interval.total_seconds():g} s"
        case RRuleSchedule(rrule=rrule):
            rhythm = rrule
        case NoSchedule():
            rhythm = "never"
    switch = "" if schedule.active else " (off)"
    return f"{schedule.slug or 'without a slug'}: {rhythm}{switch}"
