"""The findings of the boundary doctor as a GeoPackage to look at in GIS."""

import sqlite3
from contextlib import suppress
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from pipeline.errors import OutputError
from pipeline.finding import LEVELS, Finding
from pipeline.outputs.swap import swap_geopackage
from pipeline.vector_file import CGCS2000

LAYERS = {"points": "MultiPoint", "lines": "MultiLineString", "polygons": "MultiPolygon"}
TABLE = "findings"


def write_findings(path: Path, findings: list[Finding]) -> None:
    """Layers points, lines and polygons (EPSG:4490) of what has a place, and the table ``findings`` of everything.
    Whole or not at all. Raises OutputError."""
    table = pd.DataFrame(
        {
            "number": range(1, len(findings) + 1),
            "level": [finding.level for finding in findings],
            "level_zh": [LEVELS[finding.level] for finding in findings],
            "kind": [finding.kind for finding in findings],
            "zone_id": [finding.zone for finding in findings],
            "finding_en": [finding.en for finding in findings],
            "finding_zh": [finding.zh for finding in findings],
            "measure": pd.array([finding.measure for finding in findings], dtype="float"),
            "unit": [finding.unit for finding in findings],
        }
    )
    shapes = gpd.GeoSeries([finding.geometry for finding in findings], crs=CGCS2000)
    raw = path.with_suffix(".raw.gpkg")
    raw.unlink(missing_ok=True)
    try:
        pyogrio.write_dataframe(table, raw, layer=TABLE, driver="GPKG", dataset_options={"VERSION": "1.2"})
        for layer, kind in LAYERS.items():
            here = shapes.geom_type.isin([kind, kind.removeprefix("Multi")])
            located = gpd.GeoDataFrame(table[here], geometry=shapes[here], crs=CGCS2000)
            pyogrio.write_dataframe(
                located, raw, layer=layer, driver="GPKG", geometry_type=kind, promote_to_multi=True, append=True
            )
        swap_geopackage(raw, path)
    except (OSError, sqlite3.Error, RuntimeError) as error:  # pyogrio raises RuntimeErrors
        raise OutputError(
            f"{path}: cannot be written ({error}); close it in other programs or free disk space"
        ) from error
    finally:
        with suppress(OSError):
            raw.unlink(missing_ok=True)
