"""Create the application from its parts; nothing is read from the environment."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from fastapi import FastAPI

from tasks_lib.api import documents, openapi
from tasks_lib.api.access import Service
from tasks_lib.api.errors import handle_errors
from tasks_lib.api.routes import (
    chains,
    files,
    groups,
    health,
    infinite,
    moves,
    rejects,
    results,
    tasks,
    uploads,
    workflows,
)
from tasks_lib.api.serving.cors import CrossOrigin
from tasks_lib.api.serving.guards import AccessLog, BodyGuard, HeadAsGet
from tasks_lib.domain.limits import ApiLimits
from tasks_lib.operations.background import Background
from tasks_lib.operations.chains.manage import NO_AUTOMATIONS, Automations
from tasks_lib.operations.groups.undo import continue_undos
from tasks_lib.operations.upkeep.announcing import Publish, Relay
from tasks_lib.operations.uploads.process import Process, process_upload, resume_uploads
from tasks_lib.operations.waiting.suspended import FlowRuns
from tasks_lib.operations.workspace import Workspace

_DESCRIPTION: Final = (
    "Create tasks in bulk, read them, and let contributors work on them. All errors have one form: "
    "a sentence, a stable code, and an entry for each problem."
)
_KEY_USES_SECONDS: Final = 10.0
_UPLOADS_SECONDS: Final = 10.0
_UNDOS_SECONDS: Final = 10.0
_Lifespan = AbstractAsyncContextManager[None]


def create_app(
    workspace: Workspace,
    *,
    limits: ApiLimits = ApiLimits(),  # noqa: B008 - immutable
    publish: Publish | None = None,
    runs: FlowRuns | None = None,
    process: Process = process_upload,
    automations: Automations = NO_AUTOMATIONS,
    clock: Callable[[], datetime] | None = None,
) -> FastAPI:
    """Create the HTTP API of a workspace.

    ``publish`` sends events to Prefect while the application runs; without it none are sent.
    ``runs`` are the flow runs to resume once the groups that they wait for are finished.
    ``process`` processes uploads, in threads of this process or by starting flow runs.
    ``automations`` keeps Prefect's automations in sync with the chains. ``clock`` is the database's
    unless another one is given.
    """
    service = Service(workspace, limits, clock or workspace.store.now, process, automations)
    app = FastAPI(
        title="task-seeding",
        version="1",
        description=_DESCRIPTION,
        openapi_url=None,  # a route of ours, which knows ETags
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        openapi_tags=openapi.TAGS,
        lifespan=_lifespan(service, publish, runs),
    )
    app.state.service = service
    handle_errors(app)
    app.add_middleware(BodyGuard, limits=limits, max_upload_bytes=workspace.limits.max_source_bytes)
    if limits.cors_origins:
        app.add_middleware(CrossOrigin, origins=limits.cors_origins)
    app.add_middleware(AccessLog)
    app.add_middleware(HeadAsGet)  # the last one added is the outermost
    parts = (workflows, groups, uploads, tasks, files, moves, results, infinite, chains)
    routers = [part.router for part in parts]
    without_key = (documents.router, health.router, uploads.token_router, rejects.router)
    for router in (*without_key, *routers):
        app.router.routes.extend(router.routes)
    openapi.describe(app, workspace.limits)
    return app


def _resume_uploads(service: Service) -> None:
    resume_uploads(service.workspace.store, service.uploads.add, at=service.clock())


def _continue_undos(service: Service) -> None:
    continue_undos(service.workspace.store, at=service.clock())


def _lifespan(
    service: Service, publish: Publish | None, runs: FlowRuns | None
) -> Callable[[FastAPI], _Lifespan]:
    store = service.workspace.store

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as running:
            write = partial(service.key_uses.write, store)
            running.enter_context(
                Background("key uses", write, every_seconds=_KEY_USES_SECONDS, at_end=True)
            )
            running.callback(service.uploads.close)
            resume = partial(_resume_uploads, service)
            running.enter_context(Background("uploads", resume, every_seconds=_UPLOADS_SECONDS))
            undo = partial(_continue_undos, service)
            running.enter_context(Background("undos", undo, every_seconds=_UNDOS_SECONDS))
            if publish is not None:
                running.enter_context(Relay(store, publish, runs))
            yield

    return lifespan
