"""What the commands share: the terminal they print to, their usual arguments."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

# paths and names are printed as they are: brackets and colons in them are no markup and no emoji
console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True, highlight=False, markup=False, emoji=False)

SAMPLE = Path("configs/sample.yaml")

ConfigPath = Annotated[Path, typer.Argument(help="The run's YAML file.")]
OutPath = Annotated[Path, typer.Option("--out", help="Folder of all runs; the results go to OUT/<name of the run>.")]


def absolute(path: Path) -> Path:
    """The path from its root on. A drive's letter stays, for which `Path.resolve` puts the network share behind it."""
    return Path(os.path.abspath(path))
