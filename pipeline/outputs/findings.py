"""The findings of the boundary doctor as a GeoPackage to look at in GIS."""

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio

from pipeline.outputs.swap import swapped
from pipeline.zones.finding import LEVELS, Finding
from pipeline.zones.vector_file import CGCS2000

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
    with swapped(path, "close it in other programs or free disk space") as part:
        pyogrio.write_dataframe(table, part, layer=TABLE, driver="GPKG", dataset_options={"VERSION": "1.2"})
        for layer, kind in LAYERS.items():
            here = shapes.geom_type.isin([kind, kind.removeprefix("Multi")])
            located = gpd.GeoDataFrame(table[here], geometry=shapes[here], crs=CGCS2000)
            pyogrio.write_dataframe(
                located, part, layer=layer, driver="GPKG", geometry_type=kind, promote_to_multi=True, append=True
            )
