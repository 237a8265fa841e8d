"""Grassland: standing crop by a model on the index, roots by root-to-shoot ratio."""

from collections.abc import Iterable
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from pipeline.carbon import T_HA_PER_G_M2
from pipeline.ecosystems.base import CarbonFraction, Ecosystem, RootShoot, Stratum
from pipeline.ecosystems.biomass import BiomassModel
from pipeline.ecosystems.rows import Coefficient, Factor


class Steppe(Stratum):
    """A steppe type. ``index_range`` is the range of the index in which the biomass model was calibrated."""

    root_shoot: RootShoot
    index_range: tuple[float, float]

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.index_range[0] < self.index_range[1]:
            raise ValueError("index_range must be the lower and then the upper end")
        return self


class Grassland(Ecosystem):
    """C = AGB (1 + R) CF with AGB by the biomass model on the peak index, held inside its calibrated range.

    R after Hu et al. 2020. The stock is that of one season's peak, not a sequestration.
    """

    ecosystem: Literal["grassland"]
    biomass_model: BiomassModel
    carbon_fraction: CarbonFraction
    strata: dict[str, Steppe]

    @property
    def method(self) -> str:
        return f"{self.model_index.upper()} {self.biomass_model.form} AGB x (1+R) x CF"

    @property
    def method_zh(self) -> str:
        form = {"cubic": "三次", "power": "幂函数", "exponential": "指数"}[self.biomass_model.form]
        return f"{self.model_index.upper()}{form}地上生物量模型 × (1+根茎比) × 含碳率"

    @property
    def model_index(self) -> str:
        return self.biomass_model.index

    def agb(self, index: np.ndarray, cover: np.ndarray, stratum: str) -> np.ndarray:
        """t DM/ha. The index is held inside the calibrated range; where the model has no biomass at
        the index itself (bare ground), the answer is 0."""
        dry_g_m2 = self.biomass_model.dry_g_m2(np.clip(index, *self.strata[stratum].index_range))
        return np.where(self.biomass_model.grows(index), dry_g_m2 * T_HA_PER_G_M2, index * 0)

    def carbon(self, agb: np.ndarray, stratum: str) -> np.ndarray:
        return agb * ((1 + self.strata[stratum].root_shoot.value) * self.carbon_fraction.value)

    def biomass_factor(self, stratum: str) -> Factor:
        low, high = self.strata[stratum].index_range
        model = self.biomass_model.factor
        x = f"x = {self.model_index.upper()} held within {low:g}-{high:g}"
        driver = f"mean of {model.of}, {x}, 0 on water and bare ground"
        symbols, numbers = f"{model.symbols} × {T_HA_PER_G_M2:g}", f"{model.numbers} × {T_HA_PER_G_M2:g}"
        return Factor(driver, symbols, numbers, model.value * T_HA_PER_G_M2)

    def carbon_factor(self, stratum: str) -> Factor:
        root_shoot, carbon = self.strata[stratum].root_shoot.value, self.carbon_fraction.value
        numbers = f"(1 + {root_shoot:.7g}) × {carbon:.7g}"
        return Factor("AGB", "(1 + R) × CF", numbers, (1 + root_shoot) * carbon)

    def clamped(self, index: np.ndarray, stratum: str) -> np.ndarray:
        low, high = self.strata[stratum].index_range
        index = index + self.index_bias.value
        return (index < low) | (index > high)

    def rows_used(self, stratum: str, species: Iterable[str] = ()) -> list[str]:
        model = [f"biomass_model.{name}" for name in type(self.biomass_model).model_fields
                 if isinstance(getattr(self.biomass_model, name), Coefficient)]  # fmt: skip
        return [*model, "carbon_fraction", f"strata.{stratum}.root_shoot"]
