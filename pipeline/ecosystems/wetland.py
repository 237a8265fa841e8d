"""Wetland: the mean standing crop of the emergent vegetation, where it covers the ground."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import numpy as np

from pipeline.carbon import T_HA_PER_G_M2
from pipeline.ecosystems.base import END_MEMBERS, CarbonFraction, ClassMean, Ecosystem, Stratum
from pipeline.ecosystems.rows import Coefficient, Factor, of_cause
from pipeline.frozen import Frozen


class Emergent(Stratum):
    """An emergent plant community. ``agb_g_m2`` is the dry standing crop at full cover."""

    agb_g_m2: ClassMean


class Methane(Frozen):
    """The methane line, supplied by the user: ``flux`` in kg CH4 per ha and year of inundated or waterlogged ground,
    ``warming`` the mass of CO2 that warms as much as a mass of CH4 (GWP100)."""

    flux: Annotated[Coefficient, of_cause("class_mean")]
    warming: Annotated[Coefficient, of_cause("class_mean")]


class Wetland(Ecosystem):
    """C = AGB_class x emergent cover x CF, above ground only; open water holds none.

    Class mean of Phragmites, Momoge (Zhao Y. et al. 2022). Optical indices show no more of a reed stand than its cover.
    CO2 only: methane is given separately, and only if the user supplies its numbers.
    """

    min_water_share: ClassVar[float] = 0.5

    ecosystem: Literal["wetland"]
    carbon_fraction: CarbonFraction
    strata: dict[str, Emergent]
    methane: Methane | None = None

    @property
    def method(self) -> str:
        gases = "CO2 only, CH4 excluded" if self.methane is None else "CO2; CH4 in its own line, not in this number"
        return f"class mean AGB x emergent cover x CF ({gases})"

    @property
    def method_zh(self) -> str:
        gases = "仅CO2，不含CH4" if self.methane is None else "CO2；CH4单列，不计入"
        return f"类型平均地上生物量 × 挺水植被覆盖度 × 含碳率（{gases}）"

    @property
    def excluded(self) -> str:
        return "湿地仅CO2，不含CH4 (wetland CO2 only, CH4 excluded)" if self.methane is None else ""

    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        return cover * (self.strata[stratum].agb_g_m2.value * T_HA_PER_G_M2)

    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        return agb * self.carbon_fraction.value

    def biomass_factor(self, stratum: str) -> Factor:
        full = self.strata[stratum].agb_g_m2.value
        numbers = f"{full:.7g} × {T_HA_PER_G_M2:g}"
        return Factor("mean emergent cover f", f"AGB_class × {T_HA_PER_G_M2:g}", numbers, full * T_HA_PER_G_M2)

    def carbon_factor(self, stratum: str) -> Factor:
        carbon = self.carbon_fraction.value
        return Factor("AGB", "CF", f"{carbon:.7g}", carbon)

    def rows_used(self, stratum: str, species: Iterable[str] = ()) -> list[str]:
        return ["carbon_fraction", *(f"strata.{stratum}.{name}" for name in ("agb_g_m2", *END_MEMBERS))]

    def methane_t_co2e(self, area_ha: float | np.ndarray) -> float | np.ndarray | None:
        """Methane of a wetland in t CO2e per year, emission positive: area x flux / 1000 x GWP; None where no row is
        supplied. Never part of a stock or sink."""
        if self.methane is None:
            return None
        return area_ha * self.methane.flux.value * self.methane.warming.value / 1000
