"""How Sphinx builds the documentation site: ``make docs``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

# Extensions of our own, which generate reference pages from the code, live in docs/_ext.
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "task-seeding"
version = release = version_of("task-seeding")
copyright = "the task-seeding contributors"  # noqa: A001 - Sphinx names it

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "reference_pages",
]
exclude_patterns = ["_ext"]
nitpicky = True
smartquotes_action = "qe"  # an option's two hyphens are no dash

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

# Copying a console block copies the commands, neither prompts nor output.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"
copybutton_here_doc_delimiter = "END"
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = f"task-seeding {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
