"""Ground that two zones cover: found, refused, or given to one of them, so that nothing counts twice."""

from dataclasses import dataclass
from typing import Literal

import geopandas as gpd
import numpy as np
import shapely

from pipeline.errors import ZoneError
from pipeline.zones.coverage import areal
from pipeline.zones.vector_file import area_text, ellipsoidal_area_ha

CLIP_ORDER = ("wetland", "forest", "grassland")
"""Order in which ecosystems keep ground that two zones cover, as on the land survey's one map (一张图)."""

OVERLAP_TOLERANCE = 0.001
"""Largest share of the smaller zone in an overlap that counts as inaccurate drawing, not double counting."""


@dataclass(frozen=True)
class Overlap:
    """Ground that two zones claim: ``area_ha`` ellipsoidal, ``share`` of the smaller zone and ``share_of_larger``,
    ``geometry`` in the CRS of the zones."""

    first: str
    second: str
    area_ha: float
    share: float
    share_of_larger: float
    geometry: shapely.Geometry


def find_overlaps(zones: gpd.GeoDataFrame) -> list[Overlap]:
    """Every two zones (id, area_ha, geometry) that share ground, by their ids."""
    shapes = zones.geometry.to_numpy()
    pairs = np.transpose(zones.sindex.query(shapes, predicate="intersects"))
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    shared = shapely.intersection(shapes[pairs[:, 0]], shapes[pairs[:, 1]])
    claimed = shapely.area(shared) > 0  # neighbours share a border
    pairs, shared = pairs[claimed], [areal(part) for part in shared[claimed]]
    areas = ellipsoidal_area_ha(gpd.GeoSeries(shared, crs=zones.crs)) if shared else []
    ids, whole = zones["id"].to_numpy(), zones["area_ha"].to_numpy()
    return [
        Overlap(ids[i], ids[j], area, area / min(whole[i], whole[j]), area / max(whole[i], whole[j]), part)
        for (i, j), area, part in zip(pairs, areas, shared, strict=True)
        if area > 0
    ]


def clip_overlaps(zones: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The zones with shared ground left to one of them (wetland, forest, grassland; then by id), their ``area_ha``
    measured again; and sentences on what was cut. Raises ZoneError for a zone of which nothing is left."""
    clipped = zones.copy()
    rank = {z.Index: (CLIP_ORDER.index(z.ecosystem), z.id) for z in zones.itertuples()}
    place = {zone: index for index, zone in zones["id"].items()}
    for overlap in find_overlaps(zones):
        first, second = sorted((place[overlap.first], place[overlap.second]), key=rank.__getitem__)
        rest = areal(shapely.difference(clipped.geometry[second], zones.geometry[first]))
        if rest.is_empty:
            raise ZoneError(
                f"zone {zones['id'][second]} lies wholly within {zones['id'][first]} and nothing of it is left after "
                "clipping; correct the boundaries"
            )
        clipped.loc[second, "geometry"] = rest
    clipped["area_ha"] = ellipsoidal_area_ha(clipped.geometry)
    cut = clipped["area_ha"] < zones["area_ha"] - 1e-6
    return clipped, [
        f"zone {z.id}: {area_text(z.drawn_ha - z.area_ha)} ha that another zone claims, too, cut off"
        for z in clipped[cut].itertuples()
    ]


def settle_overlaps(
    zones: gpd.GeoDataFrame, how: Literal["refuse", "warn", "clip"]
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The zones as they are counted, and sentences on what was done about ground that two of them cover.

    Overlaps up to `OVERLAP_TOLERANCE` count as inaccurate drawing. Beyond it ``refuse`` raises ZoneError, ``warn`` lets
    the ground count twice and says so, ``clip`` leaves it to one zone by `CLIP_ORDER`.
    """
    if how == "clip":
        return clip_overlaps(zones)
    large = [overlap for overlap in find_overlaps(zones) if overlap.share > OVERLAP_TOLERANCE]
    said = [f"{o.first} and {o.second} share {area_text(o.area_ha)} ha ({o.share:.1%} of the smaller)" for o in large]
    if said and how == "refuse":
        raise ZoneError(
            f"zones overlap, so their carbon would count twice: {'; '.join(said)}; correct the boundaries, or set "
            "zones.overlaps to clip (wetland before forest before grassland) or warn"
        )
    return zones, [f"zones {text}, counted in both" for text in said]
