"""The commands ``seed ...``: one for each kind of source."""

from cyclopts import App

from tasks_lib.cli.options.arguments import CREATE_TASKS
from tasks_lib.cli.seed.bulk import seed_bulk
from tasks_lib.cli.seed.files import seed_csv, seed_zip
from tasks_lib.cli.seed.mapped import seed_dataset, seed_pipeline

seed = App(name="seed", help="Create tasks from a source.", group=CREATE_TASKS)
seed.command(seed_csv, name="csv")
seed.command(seed_zip, name="zip")
seed.command(seed_dataset, name="dataset")
seed.command(seed_pipeline, name="pipeline")
seed.command(seed_bulk, name="bulk")
