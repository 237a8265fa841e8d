"""A development zone, the value that all work after reading the boundaries uses, and the file of zones."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import shapely


@dataclass(frozen=True)
class Zone:
    """A development zone (片区). ``geometry`` is in the CRS of the grid, None where the zone is read back from a
    finished run; ``area_ha`` is ellipsoidal. Where the file of zones names no stratum, ``stratum`` is the default of
    the ecosystem and ``stratum_given`` is False."""

    id: str
    name: str
    ecosystem: str
    stratum: str
    area_ha: float
    declared_wanmu: float | None
    geometry: shapely.Geometry | None
    stratum_given: bool = True


@dataclass(frozen=True)
class ZoneFile:
    """A file of zones and what it must contain: the names of its ``columns`` for id, name, ecosystem, declared_wanmu
    and stratum (the last two may be None), the words for each ecosystem (``classes``) and the number of its zones
    (``expected``)."""

    path: Path
    layer: str | None
    columns: dict[str, str | None]
    classes: dict[str, tuple[str, ...]]
    expected: dict[str, int]

    @property
    def named(self) -> list[str]:
        """The columns that the file must have."""
        return [name for name in self.columns.values() if name]


class OnZone(Protocol):
    """A unit of work on a zone."""

    @property
    def zone(self) -> Zone: ...


Unit = TypeVar("Unit", bound=OnZone)


def largest_first(units: Iterable[Unit]) -> list[Unit]:
    """The units in the order in which they start: a large zone started last would leave all workers but one idle."""
    return sorted(units, key=lambda unit: unit.zone.area_ha, reverse=True)


EcosystemName = Literal["forest", "grassland", "wetland"]

ECOSYSTEMS_ZH = {"forest": "森林", "grassland": "草原", "wetland": "湿地"}
"""Chinese names of the ecosystems."""

GROUP_NAMES = {**{name: f"{chinese}合计" for name, chinese in ECOSYSTEMS_ZH.items()}, "city": "全部片区合计"}
"""Chinese names of all zones of an ecosystem together, and of all zones."""

DEVICES = {"con", "prn", "aux", "nul", *(port + digit for port in ("com", "lpt") for digit in "123456789¹²³")}
"""Names that no file or folder on Windows can have, in any capitals."""
