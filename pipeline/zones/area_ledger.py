"""The ledger of areas: areas as drawn, as covered by pixels, as declared, and as planned."""

from functools import cache
from statistics import median

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Proj, Transformer

from pipeline.carbon import HA_PER_WANMU
from pipeline.errors import ZoneError
from pipeline.zones.overlaps import Overlap, find_overlaps
from pipeline.zones.vector_file import CGCS2000, area_text, ellipsoidal_area_ha
from pipeline.zones.zone import GROUP_NAMES

COLUMNS: dict[str, tuple[str, str]] = {
    "level": ("Level: zone, ecosystem or city", "层级"),
    "zone_id": ("Zone", "片区编号"),
    "name_zh": ("Name", "片区名称"),
    "ecosystem": ("Ecosystem", "生态系统"),
    "polygon_ha": ("Area of the polygon as drawn on the CGCS2000 ellipsoid, ha", "片区图形面积(公顷)"),
    "polygon_wanmu": ("The same, 10 000 mu", "片区图形面积(万亩)"),
    "overlap_ha": ("Of it shared with other zones, ha", "与其他片区重叠面积(公顷)"),
    "counted_ha": ("Area that totals rest on, of several zones that of their union, ha", "计入面积（去重，公顷）"),
    "counted_wanmu": ("The same, 10 000 mu", "计入面积（去重，万亩）"),
    "pixel_ha": ("Covered pixels times their area on the ellipsoid, ha", "像元覆盖面积(公顷)"),
    "pixel_difference_percent": ("Pixels against the counted area, %", "像元与计入面积之差(%)"),
    "declared_wanmu": ("Declared area, 10 000 mu", "申报面积(万亩)"),
    "declared_difference_percent": ("Polygon against the declared area, %", "图形与申报面积之差(%)"),
    "planned_wanmu": ("Area of the plan, 10 000 mu", "规划面积(万亩)"),
    "planned_difference_percent": ("Counted against the planned area, %", "计入与规划面积之差(%)"),
    "tolerance_percent": ("Tolerance of both differences, %", "允许差(%)"),
    "status": ("Status", "状态"),
    "status_zh": ("Status in Chinese", "状态说明"),
}
"""Columns of the ledger in order: English and Chinese title."""

PIXEL_TOLERANCE_PERCENT = 0.1
"""Covered fractions are exact: the difference that remains is the change of the map scale within a zone."""

SHOWN = 3
"""Most rows beyond tolerance that a sentence names."""

UNITS = {1e-4: "mu 亩", 15: "10 000 ha 万公顷", 15e-4: "ha 公顷", 0.15: "km2 平方公里", 15e-8: "m2 平方米"}
"""Ratio of an area in 万亩 to the same area in other units, and the names of these."""


def area_ledger(
    zones: gpd.GeoDataFrame,
    planned_wanmu: dict[str, float],
    tolerance_percent: float,
    pixel_ha: dict[str, float] | None = None,
) -> list[dict]:
    """A row for each zone, each ecosystem and the city, keys `COLUMNS`; what is not known is None.

    ``zones`` are those of `boundaries.read_zones`, maybe clipped; ``pixel_ha`` is `covered_ha` by zone id, if the zones
    were sketched already. An ecosystem's counted area is that of the union of its zones; the city has a plan where each
    ecosystem with zones has one.
    """
    pixels = pixel_ha or {}
    shared = find_overlaps(zones)
    rows = [_zone_row(zone, shared, pixels.get(zone.id), tolerance_percent) for zone in zones.itertuples()]
    groups = [(name, zones[zones["ecosystem"] == name]) for name in dict.fromkeys(zones["ecosystem"])]
    for name, members in [*groups, ("city", zones)]:
        whole = planned_wanmu.keys() >= set(members["ecosystem"])
        planned = sum(planned_wanmu.values()) if name == "city" and whole else planned_wanmu.get(name)
        rows.append(_group_row(name, members, _counted_ha(members, shared), rows, planned, tolerance_percent))
    return rows


def _zone_row(zone, shared: list[Overlap], pixel_ha: float | None, tolerance: float) -> dict:
    declared = zone.declared_wanmu if zone.declared_wanmu and not np.isnan(zone.declared_wanmu) else None
    row = dict.fromkeys(COLUMNS) | {
        "level": "zone",
        "zone_id": zone.id,
        "name_zh": zone.name,
        "ecosystem": zone.ecosystem,
        "polygon_ha": zone.drawn_ha,
        "overlap_ha": sum(part.area_ha for part in shared if zone.id in (part.first, part.second)),
        "counted_ha": zone.area_ha,
        "pixel_ha": pixel_ha,
        "declared_wanmu": declared,
    }
    return _compared(row, tolerance)


def _counted_ha(zones: gpd.GeoDataFrame, shared: list[Overlap]) -> float:
    """Area of the union of the zones, ha: their sum where no two of them share ground."""
    members = set(zones["id"])
    if not any(overlap.first in members and overlap.second in members for overlap in shared):
        return float(zones["area_ha"].sum())
    union = gpd.GeoSeries([shapely.union_all(zones.geometry.to_numpy())], crs=zones.crs)
    return ellipsoidal_area_ha(union)[0]


def _group_row(
    name: str, zones: gpd.GeoDataFrame, counted: float, rows: list[dict], planned: float | None, tolerance: float
) -> dict:
    ids = set(zones["id"])
    members = [row for row in rows if row["level"] == "zone" and row["zone_id"] in ids]

    def total(column: str) -> float | None:
        known = [row[column] for row in members]
        return float(np.sum(known)) if None not in known else None

    row = dict.fromkeys(COLUMNS) | {
        "level": "city" if name == "city" else "ecosystem",
        "zone_id": name,
        "name_zh": GROUP_NAMES[name],
        "ecosystem": name,
        "polygon_ha": total("polygon_ha"),
        "overlap_ha": round(max(float(zones["area_ha"].sum()) - counted, 0.0), 6),
        "counted_ha": counted,
        "pixel_ha": total("pixel_ha"),
        "declared_wanmu": total("declared_wanmu"),
        "planned_wanmu": planned,
    }
    return _compared(row, tolerance)


def _compared(row: dict, tolerance: float) -> dict:
    """The row with its areas in 万亩, its differences, and those of them beyond tolerance."""
    row["polygon_wanmu"], row["counted_wanmu"] = row["polygon_ha"] / HA_PER_WANMU, row["counted_ha"] / HA_PER_WANMU
    row["tolerance_percent"] = tolerance
    beyond = []
    zone_level = row["level"] == "zone"
    for column, measured, given, allowed, en, zh in (
        ("pixel", row["pixel_ha"], row["counted_ha"], PIXEL_TOLERANCE_PERCENT, "pixels", "像元面积"),
        ("declared", row["polygon_wanmu"], row["declared_wanmu"], tolerance, "declared area", "申报面积"),
        ("planned", row["counted_wanmu"], row["planned_wanmu"], tolerance, "planned area", "规划面积"),
    ):
        if measured is None or given is None or (column == "pixel" and not zone_level):
            continue
        row[f"{column}_difference_percent"] = difference = 100 * (measured / given - 1)
        if abs(difference) > allowed:
            beyond.append((f"{en} off by {difference:+.2f} %", f"与{zh}相差{difference:+.2f}%"))
    english, chinese = zip(*beyond, strict=True) if beyond else (["ok"], ["正常"])
    row["status"], row["status_zh"] = "; ".join(english), "；".join(chinese)
    return row


def mismatches(ledger: list[dict]) -> list[str]:
    """Sentences on the rows that are beyond tolerance."""
    sentences = []
    for row in ledger:
        if row["status"] != "ok":
            given = "; ".join(
                f"{word} {area_text(row[column])} 万亩"
                for word, column in (("drawn", "polygon_wanmu"), ("counted", "counted_wanmu"),
                                     ("declared", "declared_wanmu"), ("planned", "planned_wanmu"))
                if row[column] is not None
            )  # fmt: skip
            what = "zone" if row["level"] == "zone" else "the zones of"
            sentences.append(f"{what} {row['zone_id']}: {row['status']} ({given})")
    return sentences


def passed_areas(ledger: list[dict], how: str) -> list[str]:
    """The sentences on areas beyond tolerance. Raises ZoneError with them unless ``how`` is warn."""
    beyond = mismatches(ledger)
    if beyond and how == "stop":
        more = f" and {len(beyond) - SHOWN} more, which `sinkmap check` lists" if len(beyond) > SHOWN else ""
        raise ZoneError(
            f"areas differ beyond tolerance: {'; '.join(beyond[:SHOWN])}{more}; correct the boundaries, the declared "
            f"areas{_unit_doubt(ledger)} or zones.planned_wanmu, or set area_mismatch to warn"
        )
    return beyond


def _unit_doubt(ledger: list[dict]) -> str:
    """The unit that the declared areas seem to be in, if it is clearly not 万亩."""
    ratios = [row["polygon_wanmu"] / row["declared_wanmu"] for row in ledger if row["declared_wanmu"]]
    found = [name for ratio, name in UNITS.items() if ratios and abs(median(ratios) / ratio - 1) < 0.1]
    return f" (they seem to be in {found[0]}, not in 10 000 mu 万亩)" if found else ""


def covered_ha(size_px: float, pixel_m: float, geometry: shapely.Geometry, crs: str) -> float:
    """Area on the ellipsoid of ``size_px`` covered pixels of a zone (``geometry`` in ``crs``), ha: planar area by the
    areal scale of the projection at the zone's centre (Snyder 1987). UTM makes areas here 0.03-0.08 % too small."""
    centre = geometry.centroid
    to_degrees, projection = _projection(str(crs))
    longitude, latitude = to_degrees.transform(centre.x, centre.y)
    return size_px * pixel_m**2 / projection.get_factors(longitude, latitude).areal_scale / 1e4


@cache
def _projection(crs: str) -> tuple[Transformer, Proj]:
    """To degrees on CGCS2000, and the projection itself; each takes long to set up."""
    return Transformer.from_crs(crs, CGCS2000, always_xy=True), Proj(CRS(crs))
