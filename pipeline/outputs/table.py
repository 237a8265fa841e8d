"""CSV files for Excel."""

import csv
from collections.abc import Iterable
from pathlib import Path

from pipeline.outputs.swap import swapped


def write_csv(path: Path, columns: Iterable[str], rows: list[dict]) -> None:
    """UTF-8 with BOM, so that Excel shows Chinese; an unknown value is an empty cell. Raises OutputError."""
    with (
        swapped(path, "close it in Excel, or free disk space") as part,
        part.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: object) -> object:
    return f"{value:.10g}" if isinstance(value, float) else value
