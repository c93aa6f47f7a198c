"""Let pages of other origins call the API from a browser, if a setting names them."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from tasks_lib.api.errors import error_answer

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")
_ACCEPTED_HEADERS: Final = (
    "Authorization", "X-API-Key", "Content-Type", "Idempotency-Key", "X-Request-ID",
    "If-None-Match", "Range",
)  # fmt: skip
_SHOWN_HEADERS: Final = (
    "X-Request-ID", "Idempotent-Replayed", "Retry-After", "Location", "ETag", "Content-Range",
    "Content-Disposition",
)  # fmt: skip
_REMEMBERED_SECONDS: Final = 600


class CrossOrigin(CORSMiddleware):
    """Answers preflight requests, and names the origin that may read an answer.

    Cookies play no part: a page needs an API key like any other client.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_ACCEPTED_HEADERS,
            expose_headers=_SHOWN_HEADERS,
            max_age=_REMEMBERED_SECONDS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer whether a page may send a request."""
        answer = super().preflight_response(request_headers)
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in {"content-length", "content-type"}
        }
        if answer.status_code < 400:
            return Response(status_code=204, headers=kept)
        message = "pages of this origin may not send such a request"
        return error_answer("cross_origin_refused", message, headers=kept)
