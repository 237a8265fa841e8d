"""Forest stands (小班): species and live volume at the inventories, cover of shrubs."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from pipeline.coverage import areal
from pipeline.ecosystems import Forest
from pipeline.ecosystems.forest import SHRUB
from pipeline.errors import ZoneError
from pipeline.vector_file import ellipsoidal_area_ha, read_vector

GROUP_M3_HA = 5
"""Steps of volume within which stands are summed up; the edges of the expansion tables are multiples of it."""


@dataclass(frozen=True)
class ZoneStands:
    """The stands of one zone, cut to it. Arrays over stands: ``geometry`` in grid CRS, ``area_ha`` ellipsoidal;
    ``volume_m3_ha`` maps an inventory year to the live volume, m3/ha; ``cover`` (1) counts for shrubs, None takes the
    reference cover."""

    geometry: np.ndarray
    species: list[str]
    area_ha: np.ndarray
    volume_m3_ha: dict[int, np.ndarray]
    cover: np.ndarray | None = None

    def dated(self, years: tuple[int, ...]) -> float:
        """The date (decimal year) at which a period's stock is known: its centre, held within the inventories."""
        return float(np.clip(np.mean(years), min(self.volume_m3_ha), max(self.volume_m3_ha)))

    def stock(self, forest: Forest, date: float) -> tuple[np.ndarray, np.ndarray]:
        """(AGB in t DM/ha, carbon in t C/ha) of each stand, volumes interpolated between the inventories: (s,), or
        (s, n) where rows of the forest hold n > 1 draws.

        The expansion bin is that of the first inventory at every date.
        """
        inventories = sorted(self.volume_m3_ha)
        volumes = np.stack([self.volume_m3_ha[year] for year in inventories])
        at_date = np.array([np.interp(date, inventories, column) for column in volumes.T])
        cover = None if self.cover is None else self.cover[:, None]
        agb, carbon = forest.stand_stock(at_date[:, None], volumes[0][:, None], self.species, cover)
        return (agb[:, 0], carbon[:, 0]) if agb.shape[1] == carbon.shape[1] == 1 else (agb, carbon)

    def grouped(self) -> "ZoneStands":
        """The stands summed up by species and steps of 5 m3/ha of the first inventory, without outlines: nearly the
        same stock with far fewer members, each in one bin of the expansion tables."""
        first = self.volume_m3_ha[min(self.volume_m3_ha)]
        kinds, kind = np.unique(self.species, return_inverse=True)
        keys, group = np.unique(np.stack([kind, np.ceil(first / GROUP_M3_HA)]), axis=1, return_inverse=True)
        area = np.bincount(group, self.area_ha)
        return ZoneStands(
            geometry=np.empty(0, object),
            species=[str(kinds[int(number)]) for number in keys[0]],
            area_ha=area,
            volume_m3_ha={
                year: np.bincount(group, self.area_ha * volume) / area for year, volume in self.volume_m3_ha.items()
            },
            cover=None if self.cover is None else np.bincount(group, self.area_ha * self.cover) / area,
        )

    def gain_loss(self, forest: Forest) -> tuple[float, float]:
        """(gain, loss) of the zone's stands in t C/yr, both >= 0, by the mean yearly volume increment between the first
        and the last inventory (IPCC 2006 V4 eq 2.7). Another family than `stock`: never to be added to its difference.

        Raises ValueError where there is one inventory only.
        """
        first, last = min(self.volume_m3_ha), max(self.volume_m3_ha)
        if first == last:
            raise ValueError("an increment needs two inventories")
        increment = (self.volume_m3_ha[last] - self.volume_m3_ha[first]) / (last - first)
        gain, loss = forest.stand_gain_loss(increment, self.volume_m3_ha[first], self.species)
        return float((self.area_ha * gain).sum()), float((self.area_ha * loss).sum())


def read_stands(
    path: Path, layer: str | None, species: str, volume_m3_ha: dict[int, str], forest: Forest, cover: str | None = None
) -> gpd.GeoDataFrame:
    """The stands with species (key of the forest table), one volume column named by each inventory year, cover where
    its column is named, and geometry in the file's CRS. Shrubs have no volume, so theirs is 0. Raises ZoneError for an
    unknown species, one without the parameters of the expansion, a volume that is no number >= 0, and a cover of shrubs
    that is no fraction.
    """
    found = read_vector(path, layer, [species, *volume_m3_ha.values(), *([cover] if cover else [])])
    stands = gpd.GeoDataFrame(geometry=found.geometry.make_valid(), crs=found.crs)
    names = found[species].fillna("").astype(str).str.strip()
    known = {}
    for name in names.unique():
        try:
            known[name] = forest.species_key(name)
        except KeyError:
            number = int((names == name).sum())
            raise ZoneError(
                f"{path}: the species {name!r} of {number} stands is unknown; add the name to a species of the forest "
                "coefficient file"
            ) from None
    stands["species"] = names.map(known)
    if forest.expansion == "continuous":
        for key in set(stands["species"]) - {SHRUB}:
            if forest.species[key].continuous is None:
                raise ZoneError(
                    f"{path}: the species {key} has no `continuous` row in the forest coefficient file; add it "
                    "or take expansion: ipcc"
                )
    shrubs = stands["species"] == SHRUB
    for year, column in volume_m3_ha.items():
        stands[year] = _numbers(path, found[column], "a volume in m3/ha").where(~shrubs, 0)
        if not (stands[year] >= 0).all():
            raise ZoneError(f"{path}: the column {column} has an empty or negative volume; complete it")
    if cover:
        stands["cover"] = _numbers(path, found[cover], "a cover from 0 to 1").where(shrubs, 0)
        if not stands["cover"].between(0, 1).all():
            raise ZoneError(
                f"{path}: the column {cover} of a shrub stand is empty or not a cover from 0 to 1; correct it"
            )
    return stands


def _numbers(path: Path, column: pd.Series, what: str) -> pd.Series:
    try:
        return column.astype(float)
    except (TypeError, ValueError):
        raise ZoneError(f"{path}: the column {column.name} is not {what}") from None


def stands_in_zone(stands: gpd.GeoDataFrame, zone: shapely.Geometry, years: list[int]) -> ZoneStands | None:
    """The stands cut to a zone, both in the CRS of the grid; None where the inventory does not reach it."""
    near = stands.iloc[stands.sindex.query(zone, predicate="intersects")]
    cut = near.set_geometry([areal(shapely.intersection(stand, zone)) for stand in near.geometry])
    cut = cut[cut.geometry.area > 0]
    if cut.empty:
        return None
    return ZoneStands(
        geometry=cut.geometry.to_numpy(),
        species=cut["species"].tolist(),
        area_ha=np.array(ellipsoidal_area_ha(cut.geometry)),
        volume_m3_ha={year: cut[year].to_numpy(float) for year in years},
        cover=cut["cover"].to_numpy(float) if "cover" in cut else None,
    )
