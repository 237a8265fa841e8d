"""Zones and patches in other vector formats, on request: Shapefile in GBK, FileGDB, GeoParquet."""

import errno
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from pipeline.errors import OutputError
from pipeline.execution.engine import Engine
from pipeline.execution.whole_file import move
from pipeline.mapping.patches import PATCH_COLUMNS
from pipeline.outputs.csv_file import write_csv
from pipeline.outputs.geopackage import add_titles, zone_table
from pipeline.outputs.results import Results
from pipeline.totals.zone_totals import COLUMNS
from pipeline.zones.vector_file import DBF_LANGUAGE, SIMPLIFIED_CHINESE

DBF_NAME, DBF_TEXT = 10, 254
"""Most bytes of a field name and of a text in a DBF."""

DBF_ENCODING = "GBK"
IDENTITY = ("zone_id", "name_zh", "zone_name", "patch_id")
"""Columns that identify a feature: they are never left out."""

DBF_NAMES = {
    "declared_wanmu": "decl_wanmu", "observed_fraction": "obs_frac", "clear_obs_median": "clear_med",
    "open_water_fraction": "water_frac", "stand_area_fraction": "stand_frac", "stand_stock_year": "stand_year",
    "fvc_mean_low95": "fvc_lo95", "fvc_mean_high95": "fvc_hi95",
    "carbon_tC_ha": "C_tC_ha", "carbon_tC": "C_tC", "carbon_tC_low95": "C_lo95", "carbon_tC_high95": "C_hi95",
    "carbon_tC_conservative": "C_cons", "volume_m3_low95": "vol_lo95", "volume_m3_high95": "vol_hi95",
    "baseline_period": "base_years", "baseline_carbon_tC_ha": "base_tC_ha",
    "sink_tCO2_ha_yr": "S_tCO2_ha", "sink_tCO2_yr": "S_tCO2", "sink_tCO2_yr_low95": "S_lo95",
    "sink_tCO2_yr_high95": "S_hi95", "sink_tCO2_yr_conservative": "S_cons",
    "sink_finding": "S_find", "sink_finding_zh": "S_find_zh",
    "comparability": "compar", "comparability_zh": "compar_zh",
    "figure_class": "fig_class", "unverified_zh": "unverif_zh", "plausibility": "plaus", "plausibility_zh": "plaus_zh",
    "sink_class_zh": "sink_cl_zh", "cover_class": "cover_cl", "cover_class_zh": "cov_cl_zh",
    "suggestion_zh": "suggest_zh", "class_fraction": "class_frac",
}  # fmt: skip
"""Fields of a shapefile for columns whose name is too long: C carbon stock, S sink per year, lo95 and hi95 the ends of
the 95 % interval, cons the conservative value."""

NOTE = {"note": ("What the figures are", "数据说明")}
"""Column that exports have besides those of the tables."""

TITLES = COLUMNS | PATCH_COLUMNS | NOTE
"""English and Chinese title of each column of an export."""

GDB_STEP = 2e-9
"""Degrees that a corner may move by in a geodatabase, whose coordinates have steps of 1e-9."""

Layers = dict[str, gpd.GeoDataFrame]


def write_exports(results: Results, engine: Engine) -> None:
    """Write the formats of ``results.exports`` to the folder exports, each whole or not at all, and delete the others;
    what a shapefile cannot hold is named on the screen. Raises OutputError."""
    exports = results.folder / "exports"
    _delete_others(exports, results.exports)
    if not results.exports:
        return
    layers: Layers = {"zones": zone_table(results)}
    if results.patches:
        layers["patches"] = pd.concat(results.patches.values(), ignore_index=True)
    layers = {name: table.assign(note=results.note) for name, table in layers.items()}
    for name in results.exports:
        folder = exports / name
        part = folder.with_name(f"{name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir(parents=True)
            for note in FORMATS[name](layers, part, results.name):
                engine.console.print(f"Note: {note}.", style="yellow")
            _put_in_place(part, folder)
        except (OSError, sqlite3.Error, RuntimeError, RuntimeWarning) as error:  # pyogrio raises RuntimeErrors
            raise OutputError(
                f"{folder}: cannot be written ({error}); close it in other programs or free disk space"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _put_in_place(part: Path, folder: Path) -> None:
    """Move ``part`` to ``folder`` and delete the older one there, which stays where the move fails. Raises OSError."""
    old = folder.with_name(f"{folder.name}.old.part")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        move(folder, old)
    try:
        move(part, folder)
    except OSError:
        if old.exists():
            move(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _delete_others(exports: Path, wanted: tuple[str, ...]) -> None:
    """Delete the formats that are not wanted, and the folder if nothing is left in it."""
    for folder in (exports / name for name in FORMATS if name not in wanted):
        try:
            if folder.is_dir():
                shutil.rmtree(folder)
        except OSError as error:
            raise OutputError(
                f"{folder}: is no longer asked for and cannot be deleted ({error}); close it in other programs and run "
                "again"
            ) from error
    with suppress(OSError):  # not there, or not empty
        exports.rmdir()


def _shapefiles(layers: Layers, folder: Path, name: str) -> list[str]:
    """Shapefiles with .cpg, and fields.csv with the column behind each field; returns what is not in them, and why."""
    fields, notes = [], []
    for layer, table in layers.items():
        short = dbf_names([column for column in table.columns if column != "geometry"])
        too_long = [column for column in short if longest_text(layer, table, column) > DBF_TEXT]
        if lost := [column for column in too_long if column in IDENTITY]:
            raise OutputError(f"exports shp: {lost[0]} of {layer} is longer than {DBF_TEXT} bytes; shorten it")
        unknown = [name for name in short if pd.api.types.is_numeric_dtype(table[name]) and table[name].isna().any()]
        for column, field in short.items():
            left_out = column in too_long
            note = f"left out: longer than {DBF_TEXT} bytes" if left_out else ""
            fields.append({"layer": layer, "field": "" if left_out else field, "column": column,
                           "title_en": TITLES[column][0], "title_zh": TITLES[column][1],
                           "note": "unknown where empty; ArcGIS shows 0" if column in unknown else note})  # fmt: skip
        if too_long:
            notes.append(
                f"exports shp: {layer} goes without {', '.join(too_long)}, whose texts are longer than the {DBF_TEXT} "
                "bytes of a shapefile; take gdb or the GeoPackage for them"
            )
        if unknown:
            notes.append(
                f"exports shp: {layer} has rows without {', '.join(unknown)}, where ArcGIS shows 0: a shapefile has no "
                "empty number; take gdb or the GeoPackage for them"
            )
        table = table.drop(columns=too_long).rename(columns=short)
        file = folder / f"{layer}.shp"
        file.with_suffix(".cpg").touch()  # GDAL crashes where it cannot make it
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # GDAL only warns of what it cuts
            pyogrio.write_dataframe(table, file, driver="ESRI Shapefile", encoding=DBF_ENCODING)
        file.with_suffix(".cpg").write_text(DBF_ENCODING)
        with file.with_suffix(".dbf").open("r+b") as dbf:  # GDAL leaves it 0
            dbf.seek(DBF_LANGUAGE)
            dbf.write(bytes([SIMPLIFIED_CHINESE]))
        file.with_suffix(".prj").write_text(table.crs.to_wkt("WKT1_ESRI"))
        _read_back(table, file)
    write_csv(folder / "fields.csv", fields[0], fields)
    return notes


def dbf_names(columns: list[str]) -> dict[str, str]:
    """A unique field name of at most ten characters for each column: its own name or that in `DBF_NAMES`, otherwise as
    much of its own name as fits."""
    names: dict[str, str] = {}
    for column in columns:
        known = DBF_NAMES.get(column, column)
        name, number = known[:DBF_NAME], 1
        while name.lower() in {taken.lower() for taken in names.values()}:
            number += 1
            name = f"{known[: DBF_NAME - 1 - len(str(number))]}_{number}"
        names[column] = name
    return names


def longest_text(layer: str, table: gpd.GeoDataFrame, column: str) -> int:
    """Bytes of the longest text of a column in GBK, 0 for numbers. Raises OutputError for what GBK cannot write."""
    longest = 0
    for place, value in enumerate(table[column]):
        if isinstance(value, str):
            longest = max(longest, dbf_length(value, f"{column} of {layer} in zone {table[IDENTITY[0]].iloc[place]}"))
    return longest


def dbf_length(text: str, where: str) -> int:
    """Bytes of a text in GBK. Raises OutputError for what GBK cannot write."""
    try:
        return len(text.encode(DBF_ENCODING))
    except UnicodeEncodeError as error:
        raise OutputError(
            f"exports shp: {where} has {text[error.start]!r}, which GBK cannot write; change the text or export gdb or "
            "geoparquet"
        ) from error


def _geodatabase(layers: Layers, folder: Path, name: str) -> list[str]:
    """A FileGDB whose fields have Chinese aliases, which GDAL takes over from the titles of a GeoPackage."""
    titled = folder / "titled.gpkg"
    for layer, table in layers.items():
        pyogrio.write_dataframe(
            table, titled, layer=layer, driver="GPKG", geometry_type="MultiPolygon", promote_to_multi=True,
            append=titled.exists(),
        )  # fmt: skip
    with closing(sqlite3.connect(titled)) as database, database:
        add_titles(database, {layer: {column: TITLES[column] for column in table.columns.drop("geometry")}
                              for layer, table in layers.items()})  # fmt: skip
    for layer in layers:
        with pyogrio.open_arrow(titled, layer=layer, use_pyarrow=False) as (meta, stream):
            pyogrio.write_arrow(
                stream, folder / f"{name}.gdb", layer=layer, driver="OpenFileGDB", crs=meta["crs"],
                geometry_name=meta["geometry_name"], geometry_type="MultiPolygon",
            )  # fmt: skip
    titled.unlink()
    for layer, table in layers.items():
        _read_back(table, folder / f"{name}.gdb", layer)
    return []


def _read_back(table: gpd.GeoDataFrame, file: Path, layer: str | None = None) -> None:
    """Raises OSError where a file does not hold the features that GDAL wrote to it: GDAL does not always report a write
    that the disk refuses."""
    kept = pyogrio.read_dataframe(file, layer=layer)
    wrong = [column for column in table.columns.drop("geometry") if not _same(table[column], kept.get(column))]
    if wrong or len(kept) != len(table) or not _same_ground(table.geometry.values, kept.geometry.values):
        raise OSError(errno.EIO, f"{file.name} does not hold what was written to it")


def _same_ground(ours: np.ndarray, kept: np.ndarray) -> bool:
    """Whether polygons are the same after reading back, by their bounds and areas: rings may run the other way or start
    at another vertex."""
    may_move = GDB_STEP * (shapely.length(ours) + GDB_STEP)
    return bool(
        np.allclose(shapely.bounds(kept), shapely.bounds(ours), rtol=0, atol=GDB_STEP)
        and (np.abs(shapely.area(kept) - shapely.area(ours)) <= may_move).all()
    )


def _same(ours: pd.Series, kept: pd.Series | None) -> bool:
    """Whether a column is the same after reading back, except for the 15 decimals of a DBF and blanks around a text."""
    if kept is None or len(kept) != len(ours):
        return False
    if pd.api.types.is_numeric_dtype(ours):
        return np.allclose(kept.astype(float), ours.astype(float), rtol=1e-12, atol=1e-15, equal_nan=True)
    return kept.fillna("").astype(str).str.strip().tolist() == ours.fillna("").astype(str).str.strip().tolist()


def _geoparquet(layers: Layers, folder: Path, name: str) -> list[str]:
    for layer, table in layers.items():
        table.to_parquet(folder / f"{layer}.parquet", index=False)
    return []


FORMATS: dict[str, Callable[[Layers, Path, str], list[str]]] = {
    "shp": _shapefiles,
    "gdb": _geodatabase,
    "geoparquet": _geoparquet,
}
"""What ``exports`` can list."""
