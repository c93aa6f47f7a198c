"""Run what a ``seed`` command asks for, with or without Prefect, and print the report."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from tasks_lib.cli import console
from tasks_lib.cli.advice import advice_on
from tasks_lib.cli.optional_prefect import is_configured
from tasks_lib.domain.catalogue import Pipeline
from tasks_lib.domain.mapping.plans import Plan
from tasks_lib.domain.progress import OnProgress
from tasks_lib.domain.report import Report, SourceRejectedError
from tasks_lib.operations.seeding.reports import Seeded
from tasks_lib.operations.workspace import Workspace


class Act(NamedTuple):
    """One seeding: the name of its flow and deployment, their parameters, and its operation."""

    name: str
    parameters: dict[str, Any]
    operation: Callable[[Workspace, str, OnProgress], Seeded]
    source: str


def seed_by(workspace: Workspace, act: Act, *, deployed: bool) -> tuple[Report, Plan | None]:
    """Seed by the deployment, by the flow in this process, or without Prefect.

    Return the report, and the plan if the seeding ran without Prefect.
    """
    if deployed:
        return _run_deployed(workspace, act.name, act.parameters), None
    if is_configured():
        return _run_flow(act.name, act.parameters), None
    with console.progress_bar(act.source) as on_progress:
        seeded = act.operation(workspace, str(uuid4()), on_progress)
    console.print_warnings(seeded.warnings)
    return seeded.report, seeded.plan


def finish(report: Report, pipeline: Pipeline, *, as_json: bool, plan: Plan | None = None) -> None:
    """Print the report and the plan, if any; raise SourceRejectedError for a rejection."""
    if as_json:
        more = {"plan": plan.document} if plan is not None else {}
        console.print_json(report.model_dump(mode="json") | more)
        if report.is_rejection:
            console.err.print(report.sentence, markup=False)
    else:
        if plan is not None:
            console.print_plan(plan)
        console.print_report(report, pipeline.path)
    console.print_hints(advice_on(report, pipeline.path))
    if report.is_rejection:
        raise SourceRejectedError(report)


def _run_flow(name: str, parameters: dict[str, Any]) -> Report:
    """Run the flow in this process; the configured Prefect server records the run."""
    from tasks_lib.deploy import manifest  # noqa: PLC0415 - loads Prefect
    from tasks_lib.steps import prefect_api  # noqa: PLC0415 - loads Prefect

    prefect_api.check_server()
    prefect_api.silence_console()
    flow: Any = manifest.load_flow(name)
    result: Any = flow(**parameters, return_state=True).result(raise_on_failure=False)
    if isinstance(result, SourceRejectedError):
        return result.report
    if isinstance(result, BaseException):
        raise result
    return Report.model_validate(result)


def _run_deployed(workspace: Workspace, name: str, parameters: dict[str, Any]) -> Report:
    """Run the deployment, wait for it, and return the report from the store."""
    from tasks_lib.steps import prefect_api  # noqa: PLC0415 - loads Prefect

    def print_progress(progress: str) -> None:
        console.err.print(f"{name}: {progress}", markup=False)

    return prefect_api.run_seeding(name, parameters, workspace.store, print_progress)
