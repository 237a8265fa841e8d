"""Grassland: standing crop by an NDVI model, roots by root-to-shoot ratio."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import field_validator

from pipeline.carbon import T_HA_PER_G_M2
from pipeline.ecosystems.base import Coefficient, Ecosystem, Stratum

G_M2_PER_KG_HA = 0.1


class Steppe(Stratum):
    """A steppe type. ``index_range`` is the NDVI range in which the biomass model was calibrated."""

    root_shoot: Coefficient
    index_range: tuple[float, float]


class Grassland(Ecosystem):
    """C = AGB (1 + R) CF with AGB = (c0 + c1 x + c2 x^2 + c3 x^3) / fresh:dry, x = peak NDVI.

    Cubic model of fresh standing crop, Xilingol (XLGL thesis); fresh:dry after 金云翔等 2011; R after
    Hu et al. 2020. The stock is that of one season's peak, not a sequestration.
    """

    method: ClassVar[str] = "NDVI cubic AGB x (1+R) x CF"

    ecosystem: Literal["grassland"]
    fresh_agb: Coefficient
    fresh_to_dry: Coefficient
    carbon_fraction: Coefficient
    strata: dict[str, Steppe]

    @field_validator("fresh_agb")
    @classmethod
    def _cubic(cls, row: Coefficient) -> Coefficient:
        if not isinstance(row.value, tuple) or len(row.value) != 4:
            raise ValueError("a cubic model has four coefficients, in ascending powers")
        return row

    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        """t DM/ha. The index is held inside the calibrated range; where the model has no biomass at
        the index itself (bare ground), the answer is 0."""
        fresh_kg_ha = self._fresh(np.clip(index, *self.strata[stratum].index_range))
        dry_g_m2 = np.maximum(fresh_kg_ha, 0) * (G_M2_PER_KG_HA / self.fresh_to_dry.value)
        return np.where(index > self.bare_index, dry_g_m2 * T_HA_PER_G_M2, index * 0)

    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        return agb * ((1 + self.strata[stratum].root_shoot.value) * self.carbon_fraction.value)

    @property
    def bare_index(self) -> float:
        """The index at which the biomass model reaches zero."""
        roots = np.roots(self.fresh_agb.value[::-1])
        return float(min(root.real for root in roots if abs(root.imag) < 1e-9))

    def _fresh(self, x: np.ndarray) -> np.ndarray:
        c0, c1, c2, c3 = self.fresh_agb.value
        return c0 + x * (c1 + x * (c2 + x * c3))
