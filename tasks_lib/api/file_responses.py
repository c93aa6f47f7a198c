"""Answer with a file of a folder, as HTTP users expect: ranges, ETags, and HEAD."""

from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable, Response
from starlette.types import Receive, Scope, Send

from tasks_lib.api.answers import is_known
from tasks_lib.api.errors import error_answer

IS_HEAD: Final = "tasks_lib.is_head"
"""In the scope of a request that is answered like GET, but without a body."""


class StoredFileResponse(FileResponse):
    """A file; its errors have the form of all errors."""

    def __init__(
        self, path: Path, content_type: str, name: str, *, shown_in_browser: bool = False
    ) -> None:
        super().__init__(
            path,
            media_type=content_type,
            filename=name,
            content_disposition_type="inline" if shown_in_browser else "attachment",
            headers={"X-Content-Type-Options": "nosniff"},
            stat_result=path.stat(),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file, a part of it, or 304 if the client has it already."""
        if scope.get(IS_HEAD):
            scope = {**scope, "method": "HEAD"}
        given = Headers(scope=scope)
        refusal = self._not_modified(given) or self._refused_range(given)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def _not_modified(self, given: Headers) -> Response | None:
        if not is_known(given, self.headers["etag"]):
            return None
        kept = {name: self.headers[name] for name in ("etag", "last-modified")}
        return Response(status_code=304, headers=kept)

    def _refused_range(self, given: Headers) -> Response | None:
        """Return the answer to a range that cannot be served."""
        if "range" not in given:
            return None
        size = int(self.headers["content-length"])
        try:
            self._parse_range_header(given["range"], size)
        except MalformedRangeHeader:
            message = "Range must be like bytes=0-99 or bytes=-100, at most 100 of them"
            return error_answer("invalid_range", message)
        except RangeNotSatisfiable:
            message = f"the file has {size:,} bytes, none of them in the Range"
            headers = {"Content-Range": f"bytes */{size}"}
            return error_answer("range_not_satisfiable", message, headers=headers)
        return None
