"""A development zone, the value that everything below the reading of boundaries works with."""

from dataclasses import dataclass
from typing import Literal

import shapely


@dataclass(frozen=True)
class Zone:
    """A development zone (片区). ``geometry`` is in the CRS of the grid, ``area_ha`` ellipsoidal. Where its boundaries
    do not say the stratum, it is the ecosystem's default and not ``stratum_given``."""

    id: str
    name: str
    ecosystem: str
    stratum: str
    area_ha: float
    declared_wanmu: float | None
    geometry: shapely.Geometry
    stratum_given: bool = True


EcosystemName = Literal["forest", "grassland", "wetland"]

ECOSYSTEMS_ZH = {"forest": "森林", "grassland": "草原", "wetland": "湿地"}
"""Chinese names of the ecosystems."""

GROUP_NAMES = {**{name: f"{chinese}合计" for name, chinese in ECOSYSTEMS_ZH.items()}, "city": "全部片区合计"}
"""Chinese names of the zones of an ecosystem, or all zones, taken together."""
