"""GeoPackages of the results, in CGCS2000, with their styles inside, made to open in old desktop GIS too."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from pipeline.outputs.results import Results
from pipeline.outputs.styling.qml import vector_qml
from pipeline.outputs.styling.sld import vector_sld
from pipeline.outputs.styling.vector_styles import VectorStyle, patch_style, shown_variable, zone_style
from pipeline.outputs.swap import swapped
from pipeline.totals.zone_totals import COLUMNS
from pipeline.zones.vector_file import CGCS2000


@dataclass(frozen=True)
class Layer:
    """A table of polygons with its layer name and the Chinese title that people see."""

    name: str
    title: str
    table: gpd.GeoDataFrame
    style: VectorStyle


def write_geopackage(results: Results) -> None:
    """Write ``zones.gpkg``: zones with all numbers of each, and the patches of all zones. Raises OutputError."""
    layers = [Layer("zones", "碳汇片区", zone_table(results), zones_style(results))]
    layers += patch_layers(results, patches_style(results))
    write_layers(results.folder / "zones.gpkg", layers, results.note, results.data_date)


def write_zone_geopackages(results: Results) -> None:
    """Write ``zones/<id>/<id>.gpkg`` of each zone that has rasters: the zone and its patches. Raises OutputError."""
    zones, of_zones, of_patches = zone_table(results), zones_style(results), patches_style(results)
    for place, zone in enumerate(zones["zone_id"]):
        if not results.rasters[zone]:
            continue
        layers = [Layer("zone", zones["name_zh"][place], zones.iloc[[place]], of_zones)]
        layers += patch_layers(results, of_patches, zone)
        folder = results.folder / "zones" / zone
        write_layers(folder / f"{zone}.gpkg", layers, results.note_of(zone), results.data_date)


def zone_table(results: Results) -> gpd.GeoDataFrame:
    """The zones with the columns of the result table; a column of numbers keeps its type also if all values are
    unknown."""
    zones = results.zones
    numbers = {name: [results.row(zone)[name] for zone in zones["id"]] for name in COLUMNS if name != "level"}
    table = gpd.GeoDataFrame(numbers, geometry=zones.geometry, crs=zones.crs).to_crs(CGCS2000)
    for name in table.columns[:-1]:
        if not any(isinstance(value, str) for value in numbers[name]):
            table[name] = table[name].astype(float)
    return table


def zones_style(results: Results) -> VectorStyle:
    """How the zones of a run are drawn, the same in every file."""
    sinks = [results.row(zone)["sink_tCO2_ha_yr"] for zone in results.zones["id"]]
    return zone_style(results.styles, shown_variable(sinks))


def patches_style(results: Results) -> VectorStyle:
    """How the patches of a run are drawn, the same in every file: by the pairs of classes that occur in the city."""
    pairs = {
        pair
        for table in results.patches.values()
        for pair in table[["sink_class", "suggestion"]].drop_duplicates().itertuples(index=False, name=None)
    }
    return patch_style(results.styles, results.suggestions.classes, pairs)


def patch_layers(results: Results, style: VectorStyle, zone: str | None = None) -> list[Layer]:
    """The layer of the patches of one zone or all; none where there is no patch."""
    tables = [table for name, table in results.patches.items() if zone in (None, name) and len(table)]
    if not tables:
        return []
    return [Layer("patches", "管理图斑", pd.concat(tables, ignore_index=True), style)]


def write_layers(path: Path, layers: list[Layer], note: str, date: str) -> None:
    """A GeoPackage 1.2 of these layers, their styles and Chinese titles, written whole to another name and swapped. All
    dates in it are ``date``: the same results give the same bytes. Raises OutputError."""
    time = f"{date}T00:00:00.000Z"
    with swapped(path, "close it in other programs or free disk space") as part:
        for layer in layers:
            pyogrio.write_dataframe(
                layer.table, part, layer=layer.name, driver="GPKG", geometry_type="MultiPolygon",
                promote_to_multi=True, append=part.exists(), dataset_options={"VERSION": "1.2"},
                layer_options={"DESCRIPTION": note, "IDENTIFIER": layer.title, "GEOMETRY_NAME": "geom"},
            )  # fmt: skip
        with closing(sqlite3.connect(part)) as database, database:
            database.execute("PRAGMA synchronous = OFF")  # what counts is the swap
            _check_whole(database, layers)
            add_titles(database, {layer.name: _titles(layer) for layer in layers})
            _add_styles(database, layers, time)
            database.execute("UPDATE gpkg_contents SET last_change = ?", (time,))


GPKG_1_2 = (0x47504B47, 10200)
"""Application id and version of a GeoPackage 1.2."""


def _check_whole(database: sqlite3.Connection, layers: list[Layer]) -> None:
    """Raises sqlite3.DatabaseError where GDAL did not write everything: what a full disk refuses while GDAL closes the
    file, when it counts, indexes and bounds the layers, it does not report."""
    said = tuple(database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    triggers = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    for name, rows in ((layer.name, len(layer.table)) for layer in layers):
        bounded, counted, indexed = database.execute(
            f"SELECT (SELECT max_y IS NOT NULL FROM gpkg_contents WHERE table_name = '{name}'), "
            f"(SELECT feature_count FROM gpkg_ogr_contents WHERE table_name = '{name}'), "
            f"(SELECT count(*) FROM rtree_{name}_geom_rowid)"
        ).fetchone()
        counting = {f"trigger_{change}_feature_count_{name}" for change in ("insert", "delete")}
        if said != GPKG_1_2 or not bounded or (counted, indexed) != (rows, rows) or not counting <= triggers:
            raise sqlite3.DatabaseError(f"the layer {name} is not whole")


def _titles(layer: Layer) -> dict[str, tuple[str, str]]:
    return {column: titles for column, titles in layer.style.titles.items() if column in layer.table}


def add_titles(database: sqlite3.Connection, layers: dict[str, dict[str, tuple[str, str]]]) -> None:
    """Chinese titles of the columns of each layer, as the GeoPackage schema extension stores them; given are the
    English and Chinese title of each column."""
    database.execute(
        "CREATE TABLE gpkg_data_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL, "
        "name TEXT, title TEXT, description TEXT, mime_type TEXT, constraint_name TEXT, "
        "CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name))"
    )
    database.executemany(
        "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, description) VALUES (?, ?, ?, ?, ?)",
        [(layer, column, zh, zh, en) for layer, titles in layers.items() for column, (en, zh) in titles.items()],
    )
    database.execute(
        "CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT NOT NULL, "
        "constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN, max NUMERIC, "
        "max_is_inclusive BOOLEAN, description TEXT, "
        "CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))"
    )
    for table in ("gpkg_data_columns", "gpkg_data_column_constraints"):
        database.execute(
            "INSERT INTO gpkg_extensions (table_name, column_name, extension_name, definition, scope) "
            "VALUES (?, NULL, 'gpkg_schema', 'http://www.geopackage.org/spec121/#extension_schema', 'read-write')",
            (table,),
        )


def _add_styles(database: sqlite3.Connection, layers: list[Layer], time: str) -> None:
    """The table in which QGIS looks for the style of a layer; other GIS read its SLD."""
    database.execute(
        "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), "
        "f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), "
        "styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), "
        "update_time DATETIME)"
    )
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
        (time,),
    )
    # QGIS finds a style by an empty catalogue and schema, not by NULL
    database.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
        "styleQML, styleSLD, useAsDefault, description, owner, update_time) "
        "VALUES ('', '', ?, 'geom', ?, ?, ?, 1, ?, '', ?)",
        [
            (
                layer.name,
                layer.title[:30],
                vector_qml(layer.style),
                vector_sld(layer.name, layer.style),
                layer.title,
                time,
            )
            for layer in layers
        ],
    )
