"""What the commands share: the terminal they print to, their usual arguments."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)

SAMPLE = Path("configs/sample.yaml")

ConfigPath = Annotated[Path, typer.Argument(help="The run's YAML file.")]
OutPath = Annotated[Path, typer.Option("--out", help="Folder of all runs; the results go to OUT/<name of the run>.")]
