"""Run what a ``seed`` command asks for, with or without Prefect, and print the report."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from tasks_lib.cli.optional_prefect import is_configured
from tasks_lib.cli.output import console
from tasks_lib.cli.output.advice import advice_on
from tasks_lib.cli.output.printed import PrintedError, exit_status_of
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


class Outcome(NamedTuple):
    """A report. Without Prefect also the warnings, and the plan if the source was mapped."""

    report: Report
    warnings: tuple[str, ...] = ()
    plan: Plan | None = None


def seed_by(workspace: Workspace, act: Act, *, deployed: bool) -> Outcome:
    """Seed by the deployment, by the flow in this process, or without Prefect."""
    if deployed:
        return Outcome(_run_deployed(workspace, act.name, act.parameters))
    if is_configured():
        return Outcome(_run_flow(act.name, act.parameters))
    with console.progress_bar(act.source) as on_progress:
        seeded = act.operation(workspace, str(uuid4()), on_progress)
    console.print_warnings(seeded.warnings)
    return Outcome(seeded.report, seeded.warnings, seeded.plan)


def finish(outcome: Outcome, pipeline: Pipeline, *, as_json: bool) -> None:
    """Print the report, the plan and the warnings; raise PrintedError for a rejection."""
    report, warnings, plan = outcome
    if as_json:
        more = {"warnings": warnings} if warnings else {}
        planned = {"plan": plan.document} if plan is not None else {}
        console.print_json(report.model_dump(mode="json") | more | planned)
        if report.is_rejection:
            console.err.print(report.sentence, markup=False)
    else:
        if plan is not None:
            console.print_plan(plan)
        console.print_report(report, pipeline.path)
    console.print_hints(advice_on(report, pipeline.path))
    if report.is_rejection:
        raise PrintedError(exit_status_of(report.errors))


def _run_flow(name: str, parameters: dict[str, Any]) -> Report:
    """Run the flow in this process; the configured Prefect server records the run."""
    from tasks_lib.deploy import manifest
    from tasks_lib.steps import prefect_api

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
    from tasks_lib.steps import prefect_api

    def print_progress(progress: str) -> None:
        console.err.print(f"{name}: {progress}", markup=False)

    return prefect_api.run_seeding(name, parameters, workspace.store, print_progress)
