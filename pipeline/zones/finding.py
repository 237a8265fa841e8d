"""What the boundary doctor finds: a sentence, a measure and a place."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import geopandas as gpd
import shapely

from pipeline.zones.crs_check import datum_name
from pipeline.zones.vector_file import CGCS2000

LEVELS = {"error": "错误", "warning": "警告", "note": "说明"}
"""Worst first: an error stops a run, a warning should be looked at, a note says what was found."""


@dataclass(frozen=True)
class Finding:
    """Something found: ``level`` error (a run stops), warning or note; ``measure`` in ``unit``; ``geometry`` in
    EPSG:4490 where there is a place to look at."""

    level: str
    kind: str
    zone: str
    en: str
    zh: str
    measure: float | None = None
    unit: str = ""
    geometry: shapely.Geometry | None = None


def about_file(table: gpd.GeoDataFrame) -> Iterator[Finding]:
    """How the text of a file was read, and its CRS."""
    encoding, datum = table.attrs["encoding"], datum_name(table.crs)
    name = encoding.split(",")[0]  # what follows says in English how it was found
    yield Finding("note", "encoding", "", f"text is {encoding}", f"文字编码：{name}")
    yield Finding("note", "crs", "", f"CRS {table.crs.name}, datum {datum}; CGCS2000 and WGS 84 differ by centimetres "
                  "and count as one", f"坐标系{table.crs.name}；CGCS2000与WGS84相差厘米级，视为相同")  # fmt: skip


def on_the_map(findings: list[Finding], crs) -> list[Finding]:
    """The findings, worst first, with their geometry in EPSG:4490."""
    shapes = gpd.GeoSeries([finding.geometry for finding in findings], crs=crs).to_crs(CGCS2000)
    moved = [replace(finding, geometry=shape) for finding, shape in zip(findings, shapes, strict=True)]
    return worst_first(moved)


def worst_first(findings: list[Finding]) -> list[Finding]:
    """The findings by their level."""
    return sorted(findings, key=lambda finding: list(LEVELS).index(finding.level))


def centre(table: gpd.GeoDataFrame) -> shapely.Point:
    """The middle of the features, in EPSG:4490."""
    return gpd.GeoSeries([shapely.box(*table.total_bounds).centroid], crs=table.crs).to_crs(CGCS2000).iloc[0]


def equal_area(table: gpd.GeoDataFrame) -> str:
    """An equal-area CRS in metres around the features, with its origin at their `centre`."""
    middle = centre(table)
    return f"+proj=laea +lat_0={middle.y:.4f} +lon_0={middle.x:.4f} +ellps=GRS80 +units=m"
