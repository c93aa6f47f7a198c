"""``METADATA``: the tables of all modules, of which a program loads those that it uses."""

import importlib
import pkgutil
from typing import Final

from sqlalchemy import MetaData

from tasks_lib.store import tables
from tasks_lib.store.tables.base import Table

for module in pkgutil.iter_modules(tables.__path__):
    importlib.import_module(f"{tables.__name__}.{module.name}")

METADATA: Final[MetaData] = Table.metadata
