"""CSV files for Excel."""

import csv
from collections.abc import Iterable
from pathlib import Path

from pipeline.outputs.swap import swapped

FORMULA = ("=", "+", "-", "@")
"""Characters that Excel takes for the beginning of a formula."""


def write_csv(path: Path, columns: Iterable[str], rows: list[dict], note: str = "") -> None:
    """UTF-8 with BOM, so that Excel shows Chinese; an unknown value is an empty cell, and a text that Excel would take
    for a formula gets an apostrophe before it. A ``note`` is repeated in a last column of all rows. Raises
    OutputError."""
    of_all = {"note": note} if note else {}
    with (
        swapped(path, "close it in Excel, or free disk space") as part,
        part.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.DictWriter(file, [*columns, *of_all])
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} | of_all for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return f"{value:.10g}" if isinstance(value, float) else value
