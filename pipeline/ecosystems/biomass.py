"""Models of the dry standing crop of grass on a vegetation index, each with its numbers in the YAML. Pure.

A fit of ln y gives back the median of y; its mean is exp(s^2/2) times that, s being the residual standard deviation of
ln y (smearing; Baskerville 1972).
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from pipeline.ecosystems.rows import Coefficient, Factor, of_cause
from pipeline.frozen import Frozen
from pipeline.variables import IndexName

G_M2_PER_KG_HA = 0.1

Array = np.ndarray | float


def power(x: Array, a: Array, b: Array, log_residual: float) -> Array:
    """y = a x^b exp(s^2/2), 0 where x <= 0 (the form of 金云翔等 2011)."""
    return np.maximum(x, 0) ** b * (a * np.exp(log_residual**2 / 2))


def exponential(x: Array, a: Array, b: Array, log_residual: float) -> Array:
    """ln y = a + b x, y = exp(a + b x) exp(s^2/2)."""
    return np.exp(a + b * x + log_residual**2 / 2)


FORMS = {"exponential": exponential, "power": power}
"""The forms that can be fitted to plots."""

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

    @property
    def u95_percent(self) -> float:
        """95 % half-width of the model, %."""
        return self.fresh_agb.u95_percent

    def dry_g_m2(self, x: np.ndarray) -> np.ndarray:
        """Dry standing crop in g/m2, 0 where the cubic is below 0."""
        fresh_kg_ha = np.maximum(self._fresh(x), 0) * self.fresh_agb.factor
        return fresh_kg_ha * (G_M2_PER_KG_HA / self.fresh_to_dry.value)

    def grows(self, index: np.ndarray) -> np.ndarray:
        """Where the model has biomass at all."""
        return self._fresh(index) > 0

    @property
    def factor(self) -> Factor:
        """Dry crop in g/m2 over the fresh crop."""
        powers = zip(self.fresh_agb.value, ("", " x", " x^2", " x^3"), strict=True)
        cubic = " ".join(f"{c:+.10g}{power}" for c, power in powers)
        fresh_to_dry = self.fresh_to_dry.value
        return Factor(
            f"the fresh crop y = max(0, {cubic}), kg/ha",
            f"{G_M2_PER_KG_HA:g} / (fresh:dry)",
            f"{G_M2_PER_KG_HA:g} / {fresh_to_dry:.7g}",
            G_M2_PER_KG_HA / fresh_to_dry,
        )

    def _fresh(self, x: np.ndarray) -> np.ndarray:
        c0, c1, c2, c3 = self.fresh_agb.value
        return c0 + x * (c1 + x * (c2 + x * c3))


class TwoParameters(Frozen):
    """A fit with two parameters, ``dry_agb`` = [a, b] of y in g DM/m2; ``log_residual`` is s, 0 for a fit of y itself.

    ``form: power``: y = a x^b exp(s^2/2). ``form: exponential``: ln y = a + b x, y = exp(a + b x) exp(s^2/2).
    """

    form: Literal["power", "exponential"]
    index: IndexName = "ndvi"
    """The index that the model was calibrated on."""
    dry_agb: ModelRow
    log_residual: Annotated[float, Field(ge=0)]

    @field_validator("dry_agb")
    @classmethod
    def _two(cls, row: Coefficient) -> Coefficient:
        return _of(2, row, "a power or exponential model has two coefficients, a and b")

    @property
    def u95_percent(self) -> float:
        """95 % half-width of the model, %."""
        return self.dry_agb.u95_percent

    def dry_g_m2(self, x: np.ndarray) -> np.ndarray:
        """Dry standing crop in g/m2."""
        return FORMS[self.form](x, *self.dry_agb.value, self.log_residual) * self.dry_agb.factor

    @property
    def factor(self) -> Factor:
        """Dry crop in g/m2 over itself."""
        (a, b), s = self.dry_agb.value, self.log_residual
        crop = f"{a:.7g} x^{b:.7g}" if self.form == "power" else f"exp({a:.7g} + {b:.7g} x)"
        return Factor(f"the dry crop y = {crop} × exp({s:.7g}^2 / 2), g/m2", "1", "1", 1.0)

    def grows(self, index: np.ndarray) -> np.ndarray:
        """Where the model has biomass at all."""
        return index > 0


BiomassModel = Annotated[Cubic | TwoParameters, Field(discriminator="form")]
