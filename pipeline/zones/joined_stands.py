"""Inventories of a zone whose stands have other outlines, joined into stands that have a volume at each of them. Pure.

Between two inventories stands are divided, merged and drawn anew. Where two stands of one species share ground, that
ground becomes a stand with both volumes, so that its growth is growth; what is left of a stand becomes one that holds
nothing at the other inventories: felled, replanted with another species, or planted since.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import shapely

from pipeline.ecosystems.shrub import SHRUB
from pipeline.zones.coverage import areal
from pipeline.zones.zone_stands import ZoneStands

SLIVER_M2 = 1.0
"""Smallest part of a stand: what is smaller comes from the last digits of outlines that were drawn alike."""

SNAP_M = 0.001
"""Parts of stands are cut to the millimetre, which leaves no hairlines along edges that were drawn alike."""

Piece = tuple[shapely.Geometry, int, int]
"""An outline, and which stand of the first and of the second inventory it is part of; -1 for none."""


def join_inventories(inventories: Sequence[ZoneStands]) -> ZoneStands:
    """The stands of a zone with the volumes of all its ``inventories``, each from a file of its own.

    The volume of all stands at the date of an inventory remains what that inventory gives, as does the ground that
    stands count twice: the most of any inventory. Shrub, which has no volume, is that of the latest inventory.
    """
    if len(inventories) == 1:
        return inventories[0]
    grounds = [areal(shapely.union_all(stands.geometry)) for stands in inventories]
    every, common = areal(shapely.union_all(grounds)), areal(shapely.intersection_all(grounds))
    ha_per_m2 = inventories[0].ground_ha / grounds[0].area
    latest = latest_of(inventories)
    found = reduce(_join, [_by_volume(s if s is latest else _without_shrub(s)) for s in inventories])
    cover = None if latest.cover is None else found.cover
    ground, uneven = every.area * ha_per_m2, (every.area - common.area) * ha_per_m2
    least, *_, most = sorted(stands.twice_ha for stands in inventories)
    return replace(found, cover=cover, ground_ha=ground, uneven_ha=uneven, twice_ha=most, uneven_twice_ha=most - least)


def latest_of(inventories: Sequence[ZoneStands]) -> ZoneStands:
    """The inventories of the file that has the last year."""
    return max(inventories, key=lambda stands: max(stands.volume_m3_ha))


def _without_shrub(stands: ZoneStands) -> ZoneStands:
    trees = [place for place, species in enumerate(stands.species) if species != SHRUB]
    return replace(_taken(stands, trees), cover=None)


def _by_volume(stands: ZoneStands) -> ZoneStands:
    """In the order of their volume: where two stands of one outline count as one species, each is joined with the one
    of its rank, or the larger would seem felled and the smaller to have grown as much."""
    return _taken(stands, np.argsort(stands.largest_m3_ha, kind="stable"))


def _taken(stands: ZoneStands, places: Sequence[int]) -> ZoneStands:
    """The stands at these places."""
    places = np.asarray(places, int)
    return replace(
        stands,
        geometry=stands.geometry[places],
        species=[stands.species[place] for place in places],
        area_ha=stands.area_ha[places],
        volume_m3_ha={year: volume[places] for year, volume in stands.volume_m3_ha.items()},
        cover=None if stands.cover is None else stands.cover[places],
    )


def _join(first: ZoneStands, second: ZoneStands) -> ZoneStands:
    pieces = list(_pieces(first, second))  # none where both held shrub alone
    geometry = np.array([outline for outline, *_ in pieces], object)
    i, j = np.array([stands for _, *stands in pieces], int).reshape(-1, 2).T
    # by the ground of the stand itself, so that its parts add up to it
    of_first, of_second = (each.area_ha / shapely.area(each.geometry) for each in (first, second))
    volumes = {year: _at(i, volume) for year, volume in first.volume_m3_ha.items()}
    volumes |= {year: _at(j, volume) for year, volume in second.volume_m3_ha.items()}
    covers = [_at(place, each.cover) for place, each in ((i, first), (j, second)) if each.cover is not None]
    return ZoneStands(
        geometry=geometry,
        species=[first.species[a] if a >= 0 else second.species[b] for a, b in zip(i, j, strict=True)],
        area_ha=shapely.area(geometry) * np.where(i >= 0, _at(i, of_first), _at(j, of_second)),
        volume_m3_ha=volumes,
        cover=sum(covers) if covers else None,
    )


def _at(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values at these places, 0 at -1."""
    return np.append(values, 0.0)[places]


def _pieces(first: ZoneStands, second: ZoneStands) -> Iterator[Piece]:
    """The ground of both, cut where a stand of each is of one species. Where stands of one inventory overlap, the first
    of them is joined, and no ground of either inventory is lost or doubled."""
    rests = first.geometry.copy(), second.geometry.copy()
    for i, j in _alike(first, second):
        yield first.geometry[i], i, j
        rests[0][i] = rests[1][j] = shapely.Polygon()
    for i, j in sorted(shapely.STRtree(rests[1]).query(rests[0], predicate="intersects").T.tolist()):
        one, other = rests[0][i], rests[1][j]
        if first.species[i] == second.species[j]:
            shared = areal(shapely.intersection(one, other, grid_size=SNAP_M))
            if shared.area >= SLIVER_M2:
                yield shared, i, j
                rests[0][i] = areal(shapely.difference(one, other, grid_size=SNAP_M))
                rests[1][j] = areal(shapely.difference(other, one, grid_size=SNAP_M))
    for i, rest in enumerate(rests[0]):
        if rest is first.geometry[i] or rest.area >= SLIVER_M2:
            yield rest, i, -1
    for j, rest in enumerate(rests[1]):
        if rest is second.geometry[j] or rest.area >= SLIVER_M2:
            yield rest, -1, j


def _alike(first: ZoneStands, second: ZoneStands) -> Iterator[tuple[int, int]]:
    """Places of stands with the same outline and species: most outlines stay as they are, and need no overlay."""
    there: dict[tuple[str, bytes], list[int]] = {}
    for j, key in enumerate(zip(second.species, shapely.to_wkb(shapely.normalize(second.geometry)), strict=True)):
        there.setdefault(key, []).append(j)
    for i, key in enumerate(zip(first.species, shapely.to_wkb(shapely.normalize(first.geometry)), strict=True)):
        if there.get(key):
            yield i, there[key].pop(0)
