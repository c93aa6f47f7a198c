"""The application: everything it needs is handed over, nothing is read from the environment."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tasks_lib.api import chains, files, health, infinite, moves, openapi, tasks, uploads, workflows
from tasks_lib.api.access import BASE_PATH, Service
from tasks_lib.api.errors import (
    answer_to_http_error,
    answer_to_invalid_request,
    answer_to_seeding_error,
)
from tasks_lib.api.guards import AccessLog, BodyGuard
from tasks_lib.api.limits import ApiLimits
from tasks_lib.errors import SeedingError
from tasks_lib.operations.announcing import Relay, Tell
from tasks_lib.operations.background import Background
from tasks_lib.operations.chains import NO_AUTOMATIONS, Automations
from tasks_lib.operations.upload_processing import Process, process_upload, take_up_uploads
from tasks_lib.operations.workspace import Workspace

_DESCRIPTION: Final = (
    "Create tasks in bulk, look at them, and let contributors work on them. Errors are all of one "
    "form: a sentence, a stable code, and an entry for each thing that is wrong."
)
_KEY_USES_SECONDS: Final = 10.0
_UPLOADS_SECONDS: Final = 10.0
_Lifespan = AbstractAsyncContextManager[None]


def _now() -> datetime:
    return datetime.now(UTC)


def create_app(
    workspace: Workspace,
    *,
    limits: ApiLimits = ApiLimits(),  # noqa: B008 - immutable
    tell: Tell | None = None,
    process: Process = process_upload,
    automations: Automations = NO_AUTOMATIONS,
    clock: Callable[[], datetime] = _now,
) -> FastAPI:
    """Return the External API on a workspace.

    ``tell`` hands events to Prefect, while the application runs; without it nobody is told.
    ``process`` has uploads worked on: by threads of this process, or by whom it hands them to.
    ``automations`` keep those of Prefect in line with chains.
    """
    service = Service(workspace, limits, clock, process, automations)
    app = FastAPI(
        title="task-seeding",
        version="1",
        description=_DESCRIPTION,
        openapi_url=f"{BASE_PATH}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(service, tell),
    )
    app.state.service = service
    app.add_exception_handler(SeedingError, answer_to_seeding_error)
    app.add_exception_handler(HTTPException, answer_to_http_error)
    app.add_exception_handler(RequestValidationError, answer_to_invalid_request)
    app.add_middleware(BodyGuard, limits=limits, max_upload_bytes=workspace.limits.max_source_bytes)
    app.add_middleware(AccessLog)  # the last one added is the outermost
    for part in (health, workflows, uploads, tasks, files, moves, infinite, chains):
        app.router.routes.extend(part.router.routes)
    openapi.describe(app, uploads.PATH, workspace.limits.max_source_bytes)
    return app


def _take_up(service: Service) -> None:
    take_up_uploads(service.workspace.store, service.uploads.add, at=service.clock())


def _lifespan(service: Service, tell: Tell | None) -> Callable[[FastAPI], _Lifespan]:
    store = service.workspace.store

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as running:
            write = partial(service.key_uses.write, store)
            running.enter_context(
                Background("key uses", write, every_seconds=_KEY_USES_SECONDS, at_end=True)
            )
            running.callback(service.uploads.close)
            take_up = partial(_take_up, service)
            running.enter_context(Background("uploads", take_up, every_seconds=_UPLOADS_SECONDS))
            if tell is not None:
                running.enter_context(Relay(store, tell))
            yield

    return lifespan
