"""Zones against a reference boundary: how much of them lies outside, and whether they are shifted like web maps."""

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from pipeline.errors import ZoneError
from pipeline.zones.boundary_shift import Shift, measured_shift
from pipeline.zones.finding import Finding, centre, equal_area
from pipeline.zones.outlines import repaired
from pipeline.zones.vector_file import read_vector

SHIFT_WARNING_M = 50.0
OUTSIDE_WARNING = 0.01
"""Share of the zones outside the reference."""


def shift_findings(zones: gpd.GeoDataFrame, reference: Path) -> Iterator[Finding]:
    """Findings on valid zones against the polygons of the file ``reference``."""
    try:
        known = read_vector(reference, None, [])
    except ZoneError as error:
        yield Finding("error", "reference", "", str(error), f"参考边界不可用：{error.zh}")
        return
    shift, outside = zone_shift(zones, known)
    if outside > OUTSIDE_WARNING:
        yield Finding("warning", "reference", "", f"{outside:.1%} of the zones lies outside the reference boundary",
                      f"片区面积的{outside:.1%}在参考边界之外", 100 * outside, "%")  # fmt: skip
    if shift is None:
        yield Finding("note", "reference", "", "no outline runs along the reference: a shift cannot be measured",
                      "片区边界与参考边界无共同段，无法测定偏移")  # fmt: skip
        return
    level, text = ("error", shift_sentence(shift)) if shift.is_gcj02 else (
        ("warning" if shift.length_m > SHIFT_WARNING_M else "note"),
        f"outlines lie {shift.length_m:.0f} m off the reference (east {shift.east_m:+.0f}, north {shift.north_m:+.0f})",
    )  # fmt: skip
    zh = f"边界相对参考偏移{shift.length_m:.0f}米" + ("，与GCJ-02网络地图偏移一致" if shift.is_gcj02 else "")
    arrow = shapely.LineString([(-shift.east_m, -shift.north_m), (0, 0)])
    yield Finding(level, "shift", "", text, zh, shift.length_m, "m",
                  gpd.GeoSeries([arrow], crs=equal_area(zones)).to_crs(zones.crs).iloc[0])  # fmt: skip


def shift_sentence(shift: Shift) -> str:
    """What a shift like that of web maps means."""
    return (
        f"the outlines lie {shift.length_m:.0f} m off the reference (east {shift.east_m:+.0f}, north "
        f"{shift.north_m:+.0f}), as maps in GCJ-02 do there ({shift.gcj02_m[0]:+.0f}, {shift.gcj02_m[1]:+.0f}); get "
        "the boundaries in CGCS2000 from who surveyed them"
    )


def zone_shift(zones: gpd.GeoDataFrame, reference: gpd.GeoDataFrame) -> tuple[Shift | None, float]:
    """(offset of the outlines of ``zones`` from those of ``reference``, share of the zones outside it)."""
    crs = equal_area(zones)
    drawn, known = (
        np.array([repaired(g)[0] for g in table.geometry.to_crs(crs).dropna() if not g.is_empty])
        for table in (zones, reference)
    )
    outlines, reference_lines = (shapely.union_all(shapely.boundary(polygons)) for polygons in (drawn, known))
    shift = measured_shift(outlines, reference_lines, centre(zones).coords[0])
    area = shapely.union_all(drawn)
    return shift, area.difference(shapely.union_all(known)).area / area.area
