"""The GeoPackage of the results: zones with their numbers, in CGCS2000, made to open in old desktop GIS too."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import geopandas as gpd
import pyogrio

from pipeline.errors import OutputError
from pipeline.outputs.swap import swap_geopackage
from pipeline.results import Results
from pipeline.totals import COLUMNS
from pipeline.vector_file import CGCS2000

LAYER = "zones"


def write_geopackage(results: Results) -> None:
    """Write ``zones.gpkg``: layer zones with all numbers of each zone, Chinese field aliases and the note. GeoPackage
    1.2, written whole to another name and swapped. Raises OutputError."""
    path = results.folder / "zones.gpkg"
    part = path.with_suffix(".part.gpkg")
    part.unlink(missing_ok=True)
    try:
        pyogrio.write_dataframe(
            zone_table(results), part, layer=LAYER, driver="GPKG", geometry_type="MultiPolygon", promote_to_multi=True,
            dataset_options={"VERSION": "1.2"}, layer_options={"DESCRIPTION": results.note, "IDENTIFIER": "碳汇片区"},
        )  # fmt: skip
        _alias_columns(part)
        swap_geopackage(part, path)
    except (OSError, sqlite3.Error, RuntimeError) as error:  # pyogrio raises RuntimeErrors
        raise OutputError(
            f"{path}: cannot be written ({error}); close it in other programs or free disk space"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def zone_table(results: Results) -> gpd.GeoDataFrame:
    """The zones with the columns of the result table; a column of numbers is a number also where all are unknown."""
    zones = results.zones
    numbers = {name: [results.row(zone)[name] for zone in zones["id"]] for name in COLUMNS if name != "level"}
    table = gpd.GeoDataFrame(numbers, geometry=zones.geometry, crs=zones.crs).to_crs(CGCS2000)
    for name in table.columns[:-1]:
        if not any(isinstance(value, str) for value in numbers[name]):
            table[name] = table[name].astype(float)
    return table


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
