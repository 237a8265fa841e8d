"""The boundary doctor: everything that is wrong in a file of zones, or that a reader should know about it.

Reading for a run stops at the first fault; the doctor goes on and reports all, with places to look at in GIS. It
changes nothing: what a run would repair is measured here, and done only on the run's own copy.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from pipeline.ecosystems import Ecosystem
from pipeline.errors import ZoneError
from pipeline.zones import boundaries as contract
from pipeline.zones.finding import Finding, about_file, equal_area, on_the_map
from pipeline.zones.outlines import repaired
from pipeline.zones.overlaps import OVERLAP_TOLERANCE, find_overlaps
from pipeline.zones.shift_check import shift_findings
from pipeline.zones.vector_file import area_text, ellipsoidal_area_ha, one_line, read_vector
from pipeline.zones.zone import ZoneFile

SLIVER_WIDTH_M = 10.0
"""Mean width (2 x area / perimeter) below which a piece is a drawing error."""

MITRE_LIMIT = 5
"""How many times its distance a mitred buffer reaches at a sharp corner: GEOS's default."""

DUPLICATE_SHARE = 0.99
"""Share of each of two zones in their overlap from which they count as one zone drawn twice."""


def check_zones(
    file: ZoneFile, ecosystems: dict[str, Ecosystem], overlaps: str = "refuse", reference: Path | None = None
) -> list[Finding]:
    """All findings on a zone file."""
    try:
        table = read_vector(file.path, file.layer, file.named)
    except ZoneError as error:
        return [Finding("error", "file", "", str(error), f"无法使用该文件：{error.zh}")]
    ids = [one_line(value) for value in table[file.columns["id"]]]
    found = [*about_file(table), *_attributes(file, table, ecosystems)]
    for zone, geometry in zip(ids, table.geometry, strict=True):
        found += _geometry(file.path, zone, geometry, table.crs)
    usable = table[[g is not None and not g.is_empty and "Polygon" in g.geom_type for g in table.geometry]]
    outlines = [repaired(geometry)[0] for geometry in usable.geometry]
    sound = gpd.GeoDataFrame({"id": [ids[i] for i in usable.index]}, geometry=outlines, crs=table.crs)
    if len(sound):
        sound["area_ha"] = ellipsoidal_area_ha(sound.geometry)
        found += [*_overlaps(sound, overlaps), *_gaps(sound)]
        if reference:
            found += shift_findings(sound, reference)
    return on_the_map(found, table.crs)


def _attributes(file: ZoneFile, table: gpd.GeoDataFrame, ecosystems: dict[str, Ecosystem]) -> Iterator[Finding]:
    """Findings on ids, classes, strata, declared areas and counts."""
    problems: list[tuple[str, str, ZoneError]] = []
    counts: dict[str, int] = {}

    def tried(kind: str, zone: str, check, *arguments):
        try:
            return check(file.path, *arguments)
        except ZoneError as error:
            problems.append((kind, zone, error))

    names = {key: table[name] if name else [None] * len(table) for key, name in file.columns.items()}
    ids = [tried("id", one_line(value), contract.safe_id, value) for value in names["id"]]
    known = [zone for zone in ids if zone]
    for i, zone in enumerate(known):
        twin = next((other for other in known[:i] if other.casefold() == zone.casefold()), None)
        if twin:
            tried("id", zone, contract.check_ids, [twin, zone])
    for zone, word, stratum, area in zip(
        names["id"], names["ecosystem"], names["stratum"], names["declared_wanmu"], strict=True
    ):
        name = one_line(zone)
        ecosystem = tried("class", name, contract.ecosystem_of, name, word, file.classes)
        if ecosystem:
            counts[ecosystem] = counts.get(ecosystem, 0) + 1
            tried("stratum", name, contract.stratum_of, name, ecosystems[ecosystem], stratum)
        tried("declared", name, contract.declared_number, name, area)
    tried("count", "", contract.check_counts, counts, file.expected)
    for zone, label in zip(ids, names["name"], strict=True):
        if zone and not one_line(label):
            yield Finding("warning", "name", zone, "has no name, and so no label on maps", "没有名称，图上不标注")
    yield Finding("note", "count", "", f"{len(table)} zones: " + ", ".join(f"{n} {k}" for k, n in counts.items()),
                  f"共{len(table)}个片区", len(table), "zones")  # fmt: skip
    for kind, zone, error in problems:
        yield Finding("error", kind, zone, str(error), error.zh)


def _geometry(path: Path, zone: str, geometry: shapely.Geometry | None, crs) -> Iterator[Finding]:
    """Findings on one outline, with geometry in ``crs``."""
    try:
        polygon = contract.sound_polygon(path, zone, geometry, mended := [])
    except ZoneError as error:
        place = geometry if geometry is not None and not geometry.is_empty else None
        yield Finding("error", "geometry", zone, str(error), f"边界不可用：{error.zh}",
                      geometry=place and shapely.force_2d(place).boundary)  # fmt: skip
        return
    if mended:
        (sound_ha,) = ellipsoidal_area_ha(gpd.GeoSeries([polygon], crs=crs))
        change = sound_ha * (1 - geometry.area / polygon.area)  # in the file's plane, as the tolerance is
        yield Finding("warning", "invalid", zone, f"{shapely.is_valid_reason(geometry)}: repaired, area changed by "
                      f"{change:+.4g} ha of {area_text(sound_ha)} ha",
                      f"边界自相交，已在副本上修复，面积变化{change:+.4g}公顷",
                      change, "ha", _fault_place(geometry))  # fmt: skip
    if geometry.has_z or shapely.has_m(geometry):
        yield Finding("note", "dimension", zone, "heights or measures (Z/M) are dropped", "舍去Z/M值")
    parts = shapely.get_parts(polygon)
    if len(parts) > 1:
        yield Finding("note", "multipart", zone, f"{len(parts)} parts", f"由{len(parts)}部分组成", len(parts), "parts",
                      shapely.multipoints([part.representative_point() for part in parts]))  # fmt: skip
    rings = [shapely.Polygon(ring) for part in parts for ring in part.interiors]
    if rings:
        area = sum(ellipsoidal_area_ha(gpd.GeoSeries(rings, crs=crs)))
        count = f"{len(rings)} hole{'s' * (len(rings) > 1)}"
        yield Finding("note", "hole", zone, f"{count}, {area_text(area)} ha, not counted",
                      f"{len(rings)}个孔洞，共{area_text(area)}公顷，不计入", area, "ha",
                      shapely.multipolygons(rings))  # fmt: skip
    for part in parts if len(parts) > 1 else []:
        width = _mean_width_m(part, crs)
        if width < SLIVER_WIDTH_M:
            yield Finding("warning", "sliver", zone, f"a part is {width:.2g} m wide on average",
                          f"有平均宽{width:.2g}米的碎片", width, "m", part)  # fmt: skip


def _overlaps(zones: gpd.GeoDataFrame, how: str) -> Iterator[Finding]:
    for overlap in find_overlaps(zones):
        both, share = f"{overlap.first} and {overlap.second}", overlap.share
        zh = f"{overlap.first}与{overlap.second}"
        if overlap.share_of_larger >= DUPLICATE_SHARE:
            kind, level = "duplicate", "warning" if how == "warn" else "error"
            en, zh = f"{both} are the same ground", f"{zh}重复"
        elif share > OVERLAP_TOLERANCE:
            kind, level = "overlap", {"refuse": "error"}.get(how, "warning")
            en, zh = (
                f"{both} share {area_text(overlap.area_ha)} ha, {share:.1%} of the smaller",
                f"{zh}重叠{area_text(overlap.area_ha)}公顷",
            )
        else:
            kind, level, en, zh = (
                "sliver",
                "note",
                f"{both} share a sliver of {overlap.area_ha:.2g} ha",
                f"{zh}有细碎重叠",
            )
        if level == "error":
            en, zh = f"{en}; correct the boundaries, or see zones.overlaps", f"{zh}，请修改边界，或见 zones.overlaps"
        yield Finding(level, kind, f"{overlap.first} {overlap.second}", en, zh, overlap.area_ha, "ha", overlap.geometry)


def _gaps(zones: gpd.GeoDataFrame) -> Iterator[Finding]:
    """Narrow gaps between zones that were meant to touch."""
    local = zones.geometry.to_crs(equal_area(zones))
    near, other = local.sindex.query(local, predicate="dwithin", distance=MITRE_LIMIT * SLIVER_WIDTH_M)
    union = shapely.union_all(local.iloc[np.unique(near[near != other])].to_numpy())
    closed = union.buffer(SLIVER_WIDTH_M / 2, join_style="mitre").buffer(-SLIVER_WIDTH_M / 2, join_style="mitre")
    slits = [part for part in shapely.get_parts(closed.difference(union.buffer(0.01))) if part.area > 1]
    for slit in slits:
        beside = zones["id"].iloc[local.sindex.query(slit, predicate="dwithin", distance=1, sort=True)].tolist()
        if len(beside) > 1:
            area = slit.area / 1e4
            yield Finding("warning", "gap", " ".join(beside), f"a gap of {area:.2g} ha lies between "
                          f"{' and '.join(beside)}", f"{'与'.join(beside)}之间有{area:.2g}公顷缝隙", area, "ha",
                          gpd.GeoSeries([slit], crs=local.crs).to_crs(zones.crs).iloc[0])  # fmt: skip


def _mean_width_m(polygon: shapely.Polygon, crs) -> float:
    table = gpd.GeoDataFrame(geometry=[polygon], crs=crs)
    (local,) = table.geometry.to_crs(equal_area(table))
    return 2 * local.area / local.length if local.length else 0.0


def _fault_place(geometry: shapely.Geometry) -> shapely.Geometry:
    """Where an outline is invalid, from the reason; a point on the outline if the reason has no place."""
    numbers = re.search(r"\[(\S+) (\S+?)\]", shapely.is_valid_reason(geometry))
    return (
        shapely.Point(*map(float, numbers.groups())) if numbers else shapely.force_2d(geometry).representative_point()
    )
