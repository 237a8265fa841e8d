"""Vegetation cover from a vegetation index: end-members, their calibration, cover models and their error. Pure.

The cover models broadcast: an index of shape (k, 1) and end-members of one number a draw (n,) give (k, n).
"""

import copy
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

import numpy as np

CoverModel = Literal["linear", "carlson_ripley", "two_end_member"]


def linear_cover(index: np.ndarray, soil: np.ndarray, vegetation: np.ndarray) -> np.ndarray:
    """Fractional vegetation cover f = clip((VI - VI_soil) / (VI_veg - VI_soil), 0, 1), unit 1.

    Dimidiate pixel model, 像元二分模型 (Gutman & Ignatov 1998).
    """
    return np.clip((index - soil) / (vegetation - soil), 0, 1)


def carlson_ripley_cover(index: np.ndarray, soil: np.ndarray, vegetation: np.ndarray) -> np.ndarray:
    """The square of the linear cover (Carlson & Ripley 1997), unit 1. It gives far too little on sparse vegetation: an
    option, and a bound for the structural error, but not the default."""
    return linear_cover(index, soil, vegetation) ** 2


def two_end_member_cover(
    index: np.ndarray, soil: np.ndarray, vegetation: np.ndarray, soil_sum: np.ndarray, vegetation_sum: np.ndarray
) -> np.ndarray:
    """The cover of a pixel whose reflectance, not whose NDVI, is the mean of soil and vegetation by area, unit 1:

    f = (n - n_s) S_s / ((n - n_s) S_s + (n_v - n) S_v), n NDVI held within n_s and n_v, S = R + N of bare soil
    (``soil_sum``) and full cover (``vegetation_sum``). For NDVI only.
    """
    held = np.clip(index, soil, vegetation)
    grown = (held - soil) * soil_sum
    return grown / (grown + (vegetation - held) * vegetation_sum)


class Guard(NamedTuple):
    """Bounds of end-members that can be soil and vegetation, in units of an index."""

    least_soil: float
    most_soil: float
    least_vegetation: float
    least_span: float


GUARDS = {
    "ndvi": Guard(0.03, 0.25, 0.45, 0.3),
    "evi2": Guard(0.02, 0.19, 0.33, 0.22),
    "savi": Guard(0.02, 0.20, 0.33, 0.22),
    "msavi": Guard(0.02, 0.18, 0.32, 0.21),
    "kndvi": Guard(0.001, 0.062, 0.20, 0.18),
}
"""The bounds of NDVI, and the same converted to the other indices at R + N of .55 (bare soil) and .49 (full cover). A
lower soil index mostly has water or shadow in it (Jiao 2018)."""


@dataclass(frozen=True)
class Calibration:
    """The data that calibrated end-members are from: clear land pixel-years, percentiles, and the days of the scenes by
    year."""

    pixel_years: int
    percentiles: tuple[float, float]
    scene_days: tuple[str, ...]


@dataclass(frozen=True)
class EndMembers:
    """The index of bare soil and of full vegetation cover, frozen for all years, and how a pixel mixes them.

    ``sums`` are R + N of soil and vegetation, which the two-end-member model needs. ``calibration`` is None where the
    numbers were given.
    """

    soil: float
    vegetation: float
    index: str = "ndvi"
    model: CoverModel = "linear"
    sums: tuple[float, float] | None = None
    calibration: Calibration | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Guards of the mixture. Raises ValueError with the value that is out of bounds."""
        guard = GUARDS[self.index]
        if not guard.least_soil <= self.soil <= guard.most_soil:
            raise ValueError(
                f"the soil end-member {self.soil:.3f} is outside {guard.least_soil:g}-{guard.most_soil:g} "
                f"({self.index})"
            )
        if not self.vegetation >= guard.least_vegetation:
            raise ValueError(
                f"the vegetation end-member {self.vegetation:.3f} is below {guard.least_vegetation:g} ({self.index})"
            )
        if not self.vegetation - self.soil >= guard.least_span:
            raise ValueError(
                f"the end-members {self.soil:.3f} and {self.vegetation:.3f} are less than {guard.least_span:g} apart "
                f"({self.index})"
            )
        if (self.sums is not None) != (self.model == "two_end_member"):
            raise ValueError(
                "the model two_end_member, and no other, needs the reflectance sums of soil and vegetation"
            )

    @classmethod
    def read(cls, content: dict) -> Self:
        """The end-members from what `dataclasses.asdict` made of them, through JSON or not."""
        sums, rests_on = content["sums"], content["calibration"]
        return cls(**content | {"sums": sums and tuple(sums), "calibration": rests_on and Calibration(**rests_on)})

    def cover(self, index: np.ndarray) -> np.ndarray:
        """Fractional vegetation cover, unit 1, of index values of any shape; NaN stays NaN."""
        if self.model == "two_end_member":
            return two_end_member_cover(index, self.soil, self.vegetation, *self.sums)
        formula = linear_cover if self.model == "linear" else carlson_ripley_cover
        return formula(index, self.soil, self.vegetation)

    def drawn(self, soil: np.ndarray, vegetation: np.ndarray) -> "EndMembers":
        """The same mixture with one number a draw (n,); the bounds hold for the best estimate, not for each draw."""
        drawn = copy.copy(self)
        object.__setattr__(drawn, "soil", soil)
        object.__setattr__(drawn, "vegetation", vegetation)
        return drawn


def weighted_percentile(values: np.ndarray, weights: np.ndarray, percent: float) -> float:
    """The smallest value at which the cumulative weight reaches ``percent`` of the whole.

    ``values`` ascending, ``weights`` >= 0, both (n,). Raises ValueError where all weights are zero.
    """
    cumulative = np.cumsum(weights)
    if not cumulative.size or cumulative[-1] <= 0:
        raise ValueError("a percentile of nothing")
    return float(values[np.searchsorted(cumulative, cumulative[-1] * (percent / 100))])


MIN_PIXEL_YEARS = 100
MANY_PIXEL_YEARS = 100_000
"""Pixel-years that percentiles beyond the 5th and 95th need: the extremes of a small sample are mostly errors."""


def percentile_end_members(
    values: np.ndarray, weights: np.ndarray, percentiles: tuple[float, float]
) -> tuple[float, float, int]:
    """(soil, vegetation, n): percentiles of the index pooled over all years and zones of an ecosystem.

    ``values`` ascending index values (k,), ``weights`` their number of pixel-years (k,), open water left out; an index
    below 0 is water or shadow too and is left out here. Pooling and freezing keep the trend that a yearly stretch would
    destroy. Raises ValueError where n pixel-years are fewer than `MIN_PIXEL_YEARS`, or not more than `MANY_PIXEL_YEARS`
    for percentiles beyond 5 and 95.
    """
    land = np.where(values >= 0, weights, 0)
    n = float(land.sum())
    if n < MIN_PIXEL_YEARS:
        raise ValueError(f"{n:.0f} clear pixel-years are fewer than the {MIN_PIXEL_YEARS} needed")
    low, high = percentiles
    if (low < 5 or high > 95) and n <= MANY_PIXEL_YEARS:
        raise ValueError(
            f"percentiles of {low:g} and {high:g} need more than {MANY_PIXEL_YEARS} clear pixel-years, not {n:.0f}"
        )
    soil, vegetation = (round(weighted_percentile(values, land, percent), 4) for percent in percentiles)
    return soil, vegetation, round(n)
