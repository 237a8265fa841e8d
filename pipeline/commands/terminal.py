"""What the commands share: the terminal they print to, their common arguments, and the run made ready from these."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:  # at run time each command imports what it needs: `sinkmap --help` does not wait for GDAL
    from pipeline.config.run_config import RunConfig
    from pipeline.run import Run

CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f]")


class Terminal(Console):
    """Prints texts as they are: brackets and colons in paths and names are no markup and no emoji, and characters that
    would command the terminal, as the id of a scene may hold, are replaced."""

    def __init__(self, **how: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **how)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(CONTROL.sub("\ufffd", text), **how)


console = Terminal(width=None if sys.stdout.isatty() else 140)
errors = Terminal(stderr=True)

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
