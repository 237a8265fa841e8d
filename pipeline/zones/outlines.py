"""Outlines of zones and stands: repaired, and moved to another CRS. Pure."""

from collections.abc import Sequence

import geopandas as gpd
import pandas as pd
import shapely


def repaired(geometry: shapely.Geometry) -> tuple[shapely.Geometry, float]:
    """A valid 2-D geometry, and the share of its area by which the repair changed it."""
    geometry = shapely.force_2d(geometry)
    if geometry.is_valid:
        return geometry, 0.0
    valid = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    return valid, abs(valid.area - geometry.area) / valid.area if valid.area else 1.0


def in_crs(outlines: gpd.GeoDataFrame, crs: str) -> gpd.GeoDataFrame:
    """The outlines in another CRS. A hairline that crosses itself there is repaired, since GEOS refuses such outlines:
    a spike out and back, or what a repair leaves, is valid in one CRS and not in another, by its last digits."""
    moved = outlines.to_crs(crs)
    crossing = moved.geometry.notna() & ~moved.geometry.is_valid
    if crossing.any():
        moved.loc[crossing, moved.geometry.name] = [repaired(outline)[0] for outline in moved.geometry[crossing]]
    return moved


def stacked(tables: Sequence[gpd.GeoDataFrame], crs: str) -> gpd.GeoDataFrame:
    """The rows of all ``tables``, in one CRS."""
    return pd.concat([in_crs(table, crs) for table in tables], ignore_index=True)
