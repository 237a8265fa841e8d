"""What the commands share: the terminal they print to, their common arguments, and the run made ready from these."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:  # at run time each command imports what it needs: `sinkmap --help` does not wait for GDAL
    from pipeline.config.run_config import RunConfig
    from pipeline.run import Run

# paths and names are printed as they are: brackets and colons in them are no markup and no emoji
console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 140)
errors = Console(stderr=True, highlight=False, markup=False, emoji=False)

SAMPLE = Path("configs/sample.yaml")

ConfigPath = Annotated[Path, typer.Argument(help="The run's YAML file.")]
OutPath = Annotated[Path, typer.Option("--out", help="Folder of all runs; the results go to OUT/<name of the run>.")]


def absolute(path: Path) -> Path:
    """The absolute path. A drive letter is kept, where `Path.resolve` would put the network share behind it."""
    return Path(os.path.abspath(path))


def settings_of(config: Path, year: int | None = None) -> "RunConfig":
    """The config of a run; with ``year``, that of the run of this year alone. Raises ConfigError."""
    from pipeline.config.run_config import read_config

    settings = read_config(config)
    return settings if year is None else settings.for_year(year)


@contextmanager
def prepared(settings: "RunConfig", out: Path, force: bool = False, only: str | None = None) -> "Iterator[Run]":
    """The run as `run.prepare` makes it; this process holds its folder until the block ends."""
    from pipeline.execution.output_folder import held
    from pipeline.run import prepare

    with held(absolute(out) / settings.name / "work"):
        yield prepare(settings, absolute(out), force, only)


def nobody_reads() -> bool:
    """Whether the program that reads what is printed, such as `more`, has ended. Windows calls that an invalid
    argument, which typer does not know; elsewhere it ends without a word."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return True
    return False
