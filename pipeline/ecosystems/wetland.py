"""Wetland: the mean standing crop of the emergent vegetation, where it covers the ground."""

from typing import ClassVar, Literal

import numpy as np

from pipeline.carbon import T_HA_PER_G_M2
from pipeline.ecosystems.base import Coefficient, Ecosystem, Stratum


class Emergent(Stratum):
    """An emergent plant community. ``agb_g_m2`` is the dry standing crop at full cover."""

    agb_g_m2: Coefficient


class Wetland(Ecosystem):
    """C = AGB_class x emergent cover x CF, above ground only; open water holds none.

    Class mean of Phragmites, Momoge (Zhao Y. et al. 2022). Optical indices do not see more of a reed
    stand than its cover. CO2 only: methane is not part of it.
    """

    method: ClassVar[str] = "class mean AGB x emergent cover x CF (CO2 only, CH4 excluded)"
    min_water_share: ClassVar[float] = 0.5

    ecosystem: Literal["wetland"]
    carbon_fraction: Coefficient
    strata: dict[str, Emergent]

    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        return cover * (self.strata[stratum].agb_g_m2.value * T_HA_PER_G_M2)

    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        return agb * self.carbon_fraction.value
