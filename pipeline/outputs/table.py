"""CSV files for Excel."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import OutputError


def write_csv(path: Path, columns: Iterable[str], rows: list[dict]) -> None:
    """UTF-8 with BOM, so that Excel shows Chinese; an unknown value is an empty cell."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        os.replace(part, path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}); close it in Excel, or free disk space"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _cell(value: object) -> object:
    return f"{value:.10g}" if isinstance(value, float) else value
