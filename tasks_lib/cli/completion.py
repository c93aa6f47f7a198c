"""The command ``--install-completion``."""

from cyclopts.completion.install import create_install_completion_command

from tasks_lib.cli import app

install = create_install_completion_command(app.install_completion, add_to_startup=True)
