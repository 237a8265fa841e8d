"""The result table: GeoPackage of the zones, CSV files for Excel."""

import csv
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

import geopandas as gpd
import pyogrio

from pipeline.errors import OutputError
from pipeline.totals import COLUMNS, YEAR_COLUMNS
from pipeline.vector_file import CGCS2000

LAYER = "zones"


def publish_tables(folder: Path, zones: gpd.GeoDataFrame, rows: list[dict], by_year: list[dict], note: str) -> None:
    """Write ``zones.gpkg`` (layer zones, EPSG:4490), ``summary.csv`` and ``by_year.csv``, each whole or not at all.

    ``zones`` are the boundaries with their ``id``; ``rows`` have the keys of `COLUMNS`. Raises OutputError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "summary.csv", COLUMNS, rows)
    write_csv(folder / "by_year.csv", YEAR_COLUMNS, by_year)
    write_geopackage(folder / "zones.gpkg", zones, [row for row in rows if row["level"] == "zone"], note)


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


def write_geopackage(path: Path, zones: gpd.GeoDataFrame, rows: list[dict], note: str) -> None:
    """The zones with their numbers, GeoPackage 1.2 in CGCS2000, with Chinese field aliases and the note."""
    by_id = {row["zone_id"]: row for row in rows}
    numbers = {name: [by_id[zone][name] for zone in zones["id"]] for name in COLUMNS if name != "level"}
    table = gpd.GeoDataFrame(numbers, geometry=zones.geometry, crs=zones.crs).to_crs(CGCS2000)
    for name in table.columns[:-1]:
        if not any(isinstance(value, str) for value in numbers[name]):
            table[name] = table[name].astype(float)
    part = path.with_suffix(".part.gpkg")
    part.unlink(missing_ok=True)
    try:
        pyogrio.write_dataframe(
            table, part, layer=LAYER, driver="GPKG", geometry_type="MultiPolygon", promote_to_multi=True,
            dataset_options={"VERSION": "1.2"}, layer_options={"DESCRIPTION": note, "IDENTIFIER": "碳汇片区"},
        )  # fmt: skip
        _alias_columns(part)
        os.replace(part, path)
    except (OSError, sqlite3.Error, RuntimeError) as error:  # pyogrio raises RuntimeErrors
        raise OutputError(
            f"{path}: cannot be written ({error}); close it in other programs or free disk space"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _alias_columns(path: Path) -> None:
    """Chinese titles of the columns, as the GeoPackage schema extension stores them."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, "
            "name TEXT, title TEXT, description TEXT, mime_type TEXT, constraint_name TEXT, "
            "CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name))"
        )
        database.executemany(
            "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, description) VALUES (?, ?, ?, ?, ?)",
            [(LAYER, name, zh, zh, en) for name, (en, zh) in COLUMNS.items() if name != "level"],
        )
        for table in ("gpkg_data_columns", "gpkg_data_column_constraints"):
            database.execute(
                "INSERT INTO gpkg_extensions (table_name, column_name, extension_name, definition, scope) "
                "VALUES (?, NULL, 'gpkg_schema', 'http://www.geopackage.org/spec121/#extension_schema', 'read-write')",
                (table,),
            )
        database.execute(
            "CREATE TABLE IF NOT EXISTS gpkg_data_column_constraints (constraint_name TEXT NOT NULL, "
            "constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, "
            "max_is_inclusive BOOLEAN, description TEXT, "
            "CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))"
        )
