"""The commands, as their help describes them."""

import re
from typing import Final

from tasks_lib.cli import app
from tasks_lib.cli.examples import add_examples

_USELESS_DEFAULT: Final = re.compile(r' \*\[default: (?:False|""|\(\)|None)\]\*')
_FIRST_COMMAND: Final = "\n## seeding "


def commands() -> str:
    """Return a section for each command and each group of commands."""
    add_examples(app)
    text = app.generate_docs(output_format="markdown", heading_level=1)
    _, first, rest = text.partition(_FIRST_COMMAND)
    sections = _USELESS_DEFAULT.sub("", f"{first}{rest}".strip())
    return sections.replace("**Parameters**:", "**Options**:")
