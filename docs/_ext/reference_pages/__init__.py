"""Directives that generate the reference from the code, so that it cannot fall behind it.

Each directive renders the Markdown of one function. The modules beside this one hold the functions;
they know nothing of Sphinx.
"""

from collections.abc import Callable
from typing import Any, Final

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from reference_pages import (
    codes,
    command_line,
    deployments,
    error_tree,
    http_api,
    models,
    python_functions,
)

Render = Callable[[], str]

DIRECTIVES: Final[dict[str, Render]] = {
    "api-calls": http_api.calls,
    "api-common-errors": http_api.common_errors,
    "api-documents": http_api.documents,
    "api-error-codes": codes.api_error_codes,
    "commands": command_line.commands,
    "deployments": deployments.deployments,
    "errors": error_tree.errors,
    "events": codes.events,
    "file-error-codes": codes.file_error_codes,
    "flow-functions": deployments.flow_functions,
    "public-functions": python_functions.public_functions,
    "report-members": models.report_members,
    "result-columns": models.result_columns,
    "row-error-codes": codes.row_error_codes,
    "settings": models.settings,
    "task-moves": models.task_moves,
    "value-error-codes": codes.value_error_codes,
}
"""The function that renders each directive."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for name, render in DIRECTIVES.items():
        app.add_directive(name, _directive(render))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _directive(render: Render) -> type[SphinxDirective]:
    class Generated(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            self.env.note_reread()  # the code may have changed although the page has not
            children: list[Any] = self.parse_text_to_nodes(render(), allow_section_headings=True)
            return children

    return Generated
