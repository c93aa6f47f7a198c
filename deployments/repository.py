"""The repository that the stack runs from."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
"""The repository's root: the examples, prefect.yaml, and the folder in which programs start."""
