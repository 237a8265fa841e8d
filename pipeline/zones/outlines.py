"""Outlines of zones and stands: repaired, and moved to another CRS. Pure."""

from typing import TypeVar

import geopandas as gpd
import shapely

Outlines = TypeVar("Outlines", gpd.GeoDataFrame, gpd.GeoSeries)


def repaired(geometry: shapely.Geometry) -> tuple[shapely.Geometry, float]:
    """A valid 2-D geometry, and the share of its area by which the repair changed it."""
    geometry = shapely.force_2d(geometry)
    if geometry.is_valid:
        return geometry, 0.0
    valid = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    return valid, abs(valid.area - geometry.area) / valid.area if valid.area else 1.0


def in_crs(outlines: Outlines, crs: str) -> Outlines:
    """The outlines in another CRS. A hairline that crosses itself there is repaired, since GEOS refuses such outlines:
    a spike out and back, or what a repair leaves, is valid in one CRS and not in another, by its last digits."""
    moved = outlines.to_crs(crs)
    mended = gpd.GeoSeries([repaired(outline)[0] for outline in moved.geometry], moved.index, moved.crs)
    return mended if isinstance(moved, gpd.GeoSeries) else moved.set_geometry(mended)
