"""Models of the dry standing crop of grass on a vegetation index, each with its numbers in the YAML. Pure."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from pipeline.ecosystems.rows import Coefficient, Frozen, of_cause

G_M2_PER_KG_HA = 0.1

ModelRow = Annotated[Coefficient, of_cause("biomass_model")]


def _of(count: int, row: Coefficient, what: str) -> Coefficient:
    if not isinstance(row.value, tuple) or len(row.value) != count:
        raise ValueError(what)
    return row


class Cubic(Frozen):
    """y = (c0 + c1 x + c2 x^2 + c3 x^3) / fresh:dry, a model of the fresh crop in kg/ha.

    Shipped: Xilingol, in-season NDVI of MODIS (XLGL thesis); fresh:dry after 金云翔等 2011.
    """

    index: ClassVar[str] = "ndvi"

    form: Literal["cubic"]
    fresh_agb: ModelRow
    fresh_to_dry: Annotated[Coefficient, of_cause("dry_matter")]

    @field_validator("fresh_agb")
    @classmethod
    def _four(cls, row: Coefficient) -> Coefficient:
        return _of(4, row, "a cubic model has four coefficients, in ascending powers")

    def dry_g_m2(self, x: np.ndarray) -> np.ndarray:
        """Dry standing crop in g/m2, 0 where the cubic is below 0."""
        fresh_kg_ha = np.maximum(self._fresh(x), 0) * self.fresh_agb.factor
        return fresh_kg_ha * (G_M2_PER_KG_HA / self.fresh_to_dry.value)

    def grows(self, index: np.ndarray) -> np.ndarray:
        """Where the model has biomass at all."""
        return self._fresh(index) > 0

    def _fresh(self, x: np.ndarray) -> np.ndarray:
        c0, c1, c2, c3 = self.fresh_agb.value
        return c0 + x * (c1 + x * (c2 + x * c3))


class _TwoParameters(Frozen):
    """``log_residual`` is the residual standard deviation s of ln y of a fit in logarithms: the mean of y is
    exp(s^2/2) times what such a fit gives back (smearing; Baskerville 1972). 0 for a fit of y itself."""

    index: Literal["ndvi", "evi2", "savi", "msavi", "kndvi"] = "ndvi"
    """The index that the model was calibrated on."""
    dry_agb: ModelRow
    log_residual: Annotated[float, Field(ge=0)]

    @field_validator("dry_agb")
    @classmethod
    def _two(cls, row: Coefficient) -> Coefficient:
        return _of(2, row, "a power or exponential model has two coefficients, a and b")

    @property
    def _smearing(self) -> Any:
        return np.exp(self.log_residual**2 / 2) * self.dry_agb.factor

    def grows(self, index: np.ndarray) -> np.ndarray:
        """Where the model has biomass at all."""
        return index > 0


class Power(_TwoParameters):
    """y = a x^b exp(s^2/2), ``dry_agb`` = [a, b] in g DM/m2 (the form of 金云翔等 2011)."""

    form: Literal["power"]

    def dry_g_m2(self, x: np.ndarray) -> np.ndarray:
        """Dry standing crop in g/m2."""
        a, b = self.dry_agb.value
        return np.maximum(x, 0) ** b * (a * self._smearing)


class Exponential(_TwoParameters):
    """ln y = a + b x, y = exp(a + b x) exp(s^2/2), ``dry_agb`` = [a, b], y in g DM/m2."""

    form: Literal["exponential"]

    def dry_g_m2(self, x: np.ndarray) -> np.ndarray:
        """Dry standing crop in g/m2."""
        a, b = self.dry_agb.value
        return np.exp(a + b * x) * self._smearing


BiomassModel = Annotated[Cubic | Power | Exponential, Field(discriminator="form")]
