"""The forest stands of one zone and the stock they hold. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.ecosystems import Forest

FEW_STANDS = 0.85
"""Covered fraction of a forest zone below which the status says how much stands cover (expert choice)."""

MOST_TWICE = 0.01
"""Largest share of the ground under stands that may lie under two outlines and counts as inaccurate drawing, not double
counting (expert choice)."""

GROUP_M3_HA = 5
"""Stands are summed up in steps of this volume, so that their stock stays nearly right with other tables
(`what_if`)."""


@dataclass(frozen=True)
class StandFile:
    """A file of stands and what it must contain: the columns of its ``species``, of the live volume (m3/ha) at each
    inventory year and, where there is one, of the ``cover`` of shrubs; and the ``words`` of the species column that
    count as a species of the forest coefficient file, by that species."""

    path: Path
    layer: str | None
    species: str
    volume_m3_ha: dict[int, str]
    cover: str | None = None
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def named(self) -> list[str]:
        """The columns that the file must have."""
        return [self.species, *self.volume_m3_ha.values(), *([self.cover] if self.cover else [])]


@dataclass(frozen=True)
class ZoneStands:
    """The stands of one zone, cut to it. Arrays over stands: ``geometry`` in grid CRS, ``area_ha`` ellipsoidal;
    ``volume_m3_ha`` maps an inventory year to the live volume, m3/ha; ``cover`` (1) counts for shrubs, None takes the
    reference cover. ``ground_ha`` is the ground under them, each place once; ``twice_ha`` the part of it under several
    outlines, or twice under one outline with one species; ``uneven_ha`` the part that not all inventories cover;
    ``uneven_twice_ha`` how much more of it one inventory counts twice than another. Several species of one outline are
    several stands, whose ground counts once."""

    geometry: np.ndarray
    species: list[str]
    area_ha: np.ndarray
    volume_m3_ha: dict[int, np.ndarray]
    cover: np.ndarray | None = None
    ground_ha: float = np.nan
    twice_ha: float = 0.0
    uneven_ha: float = 0.0
    uneven_twice_ha: float = 0.0

    @property
    def overlap(self) -> bool:
        """Whether stands count ground twice."""
        return self.twice_ha > MOST_TWICE * self.ground_ha

    def dated(self, years: tuple[int, ...]) -> float:
        """The date (decimal year) at which a period's stock is known: its centre, held within the inventories."""
        return float(np.clip(np.mean(years), min(self.volume_m3_ha), max(self.volume_m3_ha)))

    def volume_at(self, date: float) -> np.ndarray:
        """Live volume (s,) at a date, m3/ha, interpolated between the inventories."""
        inventories = sorted(self.volume_m3_ha)
        volumes = np.stack([self.volume_m3_ha[year] for year in inventories])
        return np.array([np.interp(date, inventories, column) for column in volumes.T])

    @property
    def largest_m3_ha(self) -> np.ndarray:
        """The largest volume (s,) that any inventory found, m3/ha. It selects the bin of the expansion tables, whose
        factors are largest for young stands: with the bin of an earlier, smaller volume a grown stand would come out up
        to three times too large."""
        return np.max(list(self.volume_m3_ha.values()), axis=0)

    def volume_m3(self, date: float) -> float:
        """Live volume of all stands at a date, m3, as measured."""
        return float((self.area_ha * self.volume_at(date)).sum())

    def stock(self, forest: Forest, date: float) -> tuple[np.ndarray, np.ndarray]:
        """(AGB in t DM/ha, carbon in t C/ha) of each stand, volumes interpolated between the inventories: (s,), or
        (s, n) where rows of the forest hold n > 1 draws.

        The expansion bin is that of the stand's largest inventory, at every date.
        """
        cover = None if self.cover is None else self.cover[:, None]
        volume, held = self.volume_at(date)[:, None], self.largest_m3_ha[:, None]
        agb, carbon = forest.stand_stock(volume, held, self.species, cover)
        return (agb[:, 0], carbon[:, 0]) if agb.shape[1] == carbon.shape[1] == 1 else (agb, carbon)

    def grouped(self, forest: Forest) -> "ZoneStands":
        """The same stock with far fewer members, without outlines: stands are summed up that agree in species, in the
        bins of its expansion and root tables, in the step of `GROUP_M3_HA` of their largest volume, and in the
        inventory that found it."""
        kinds, kind = np.unique(self.species, return_inverse=True)
        largest = np.argmax(list(self.volume_m3_ha.values()), axis=0)
        held = self.largest_m3_ha[:, None]
        per_m3 = forest.stand_stock(np.ones_like(held), held, self.species)
        by = [kind, np.ceil(self.largest_m3_ha / GROUP_M3_HA), largest, *(part[:, 0].round(9) for part in per_m3)]
        keys, group = np.unique(np.stack(by), axis=1, return_inverse=True)
        area = np.bincount(group, self.area_ha)

        def mean(volume: np.ndarray) -> np.ndarray:
            """Held within the members: in its last digits it may lie beyond the edge of their bin."""
            least, most = np.full(area.size, np.inf), np.full(area.size, -np.inf)
            np.minimum.at(least, group, volume)
            np.maximum.at(most, group, volume)
            return np.clip(np.bincount(group, self.area_ha * volume) / area, least, most)

        return ZoneStands(
            geometry=np.empty(0, object),
            species=[str(kinds[int(number)]) for number in keys[0]],
            area_ha=area,
            volume_m3_ha={year: mean(volume) for year, volume in self.volume_m3_ha.items()},
            cover=None if self.cover is None else mean(self.cover),
        )

    def gain_loss(self, forest: Forest) -> tuple[float, float]:
        """(gain, loss) of the zone's stands in t C/yr, both >= 0, by the mean yearly volume increment between the first
        and the last inventory (IPCC 2006 V4 eq 2.7). Another method than the difference of two `stock`: never to be
        added to it.

        Raises ValueError if there is only one inventory.
        """
        first, last = min(self.volume_m3_ha), max(self.volume_m3_ha)
        if first == last:
            raise ValueError("an increment needs two inventories")
        increment = (self.volume_m3_ha[last] - self.volume_m3_ha[first]) / (last - first)
        gain, loss = forest.stand_gain_loss(increment, self.volume_m3_ha[first], self.species)
        return float((self.area_ha * gain).sum()), float((self.area_ha * loss).sum())
