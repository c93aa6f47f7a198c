"""How a seed command is carried out, whatever its source: with Prefect or without; its report."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple
from uuid import uuid4

from tasks_lib import console
from tasks_lib.cli.prefect_server import is_configured
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping import Plan
from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.intake.progress import OnProgress
from tasks_lib.operations.loading import Seeded
from tasks_lib.operations.workspace import Workspace
from tasks_lib.store.engine import Store


class Act(NamedTuple):
    """A way of seeding: its flow and deployment, their parameters, and what runs without them."""

    name: str
    parameters: dict[str, Any]
    operation: Callable[[Workspace, str, OnProgress], Seeded]
    source: str


def read_secret(name: str) -> str:
    """Return what a Secret block of the Prefect server holds."""
    from tasks_lib.steps import secret_blocks  # noqa: PLC0415 - loading Prefect takes a second

    return secret_blocks.read_secret(name)


def seed_by(workspace: Workspace, act: Act, *, deployed: bool) -> tuple[Report, Plan | None]:
    """Seed by the deployment, by its flow in this process, or without Prefect.

    Return the report, and the plan where the seeding was not a flow's.
    """
    if deployed:
        return _run_deployed(act.name, act.parameters, workspace.store), None
    if is_configured():
        return _run_flow(act.name, act.parameters), None
    with console.progress_bar(act.source) as on_progress:
        seeded = act.operation(workspace, str(uuid4()), on_progress)
    console.print_warnings(seeded.warnings)
    return seeded.report, seeded.plan


def finish(report: Report, pipeline: Pipeline, *, as_json: bool, plan: Plan | None = None) -> None:
    """Print the report, and the plan if there is one; raise SourceRejectedError for a rejection."""
    if as_json:
        planned = {"plan": plan.document} if plan is not None else {}
        console.print_json(report.model_dump(mode="json") | planned)
        if report.is_rejection:
            console.err.print(report.sentence, markup=False)
    else:
        if plan is not None:
            console.print_plan(plan)
        console.print_report(report, pipeline.path)
    if report.is_rejection:
        raise SourceRejectedError(report)


def _run_flow(name: str, parameters: dict[str, Any]) -> Report:
    """Run the flow in this process, recorded on the configured Prefect server."""
    from tasks_lib.steps import server  # noqa: PLC0415 - loads Prefect

    server.check_server()
    module = name.replace("-", "_")
    flow = getattr(import_module(f"flows.{module}"), module)
    result: Any = flow(**parameters, return_state=True).result(raise_on_failure=False)
    if isinstance(result, SourceRejectedError):
        return result.report
    if isinstance(result, BaseException):
        raise result
    return Report.model_validate(result)


def _run_deployed(name: str, parameters: dict[str, Any], store: Store) -> Report:
    """Run the deployment and return the report that its run left in the store."""
    from tasks_lib.steps import server  # noqa: PLC0415 - loads Prefect

    def tell(what: str) -> None:
        console.err.print(f"{name}: {what}", markup=False)

    return server.run_seeding(name, parameters, store, tell)
