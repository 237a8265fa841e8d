"""The part of the configuration that says how an index becomes cover."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.frozen import Section
from pipeline.variables import IndexName
from pipeline.vegetation import Calibration, CoverModel, EndMembers

KeptIndex = Literal["ndvi", "ndmi", "evi2", "savi", "msavi", "kndvi"]
"""The indices that a composite can keep, in the order in which it keeps them."""


class FixedEndMembers(Section):
    """End-members given by the user, in units of the index."""

    soil: float
    """Index of bare soil."""
    vegetation: float
    """Index of full vegetation cover."""


class ReflectanceSums(Section):
    """Reflectance red + near infrared, unit 1, which the cover model two_end_member needs."""

    soil: Annotated[float, Field(gt=0, lt=2)]
    """Sum of bare soil."""
    vegetation: Annotated[float, Field(gt=0, lt=2)]
    """Sum of full vegetation cover."""


class Cover(Section):
    """How an index becomes cover in one ecosystem."""

    index: IndexName = "ndvi"
    """The index that cover and biomass are computed from; a biomass model needs the one that it was calibrated on."""
    model: CoverModel = "linear"
    """The cover model; `docs/method.md` describes them."""
    end_members: Literal["calibrate", "shipped"] | FixedEndMembers = "shipped"
    """Index of bare soil and of full cover: calibrated on all years of this run together, shipped (NDVI only), or
    given. They are the same for all years."""
    percentiles: tuple[float, float] = (5, 95)
    """Percentiles of the index that calibrated end-members are taken at."""
    reflectance_sums: ReflectanceSums | None = None
    """Needed for the model two_end_member; no other model takes them."""

    @field_validator("percentiles")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0.5 <= value[0] < value[1] <= 99.5:
            raise ValueError("give two percentiles from 0.5 to 99.5, the lower first, such as [5, 95]")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.index != "ndvi" and self.end_members == "shipped":
            raise ValueError(
                f"the shipped end-members are those of ndvi; with index {self.index} set end_members to calibrate or "
                "{soil: .., vegetation: ..}"
            )
        if self.model == "two_end_member" and self.index != "ndvi":
            raise ValueError(f"the model two_end_member is for ndvi only; with index {self.index} take linear")
        if (self.model == "two_end_member") != (self.reflectance_sums is not None):
            raise ValueError(
                "the model two_end_member, and no other, takes reflectance_sums {soil: .., vegetation: ..}, red + near "
                "infrared"
            )
        if isinstance(self.end_members, FixedEndMembers):
            self.mixture(self.end_members.soil, self.end_members.vegetation)
        return self

    def mixture(self, soil: float, vegetation: float, calibration: Calibration | None = None) -> EndMembers:
        """End-members with this index and model. Raises ValueError where they cannot be soil and vegetation."""
        sums = self.reflectance_sums and (self.reflectance_sums.soil, self.reflectance_sums.vegetation)
        return EndMembers(soil, vegetation, self.index, self.model, sums, calibration)
