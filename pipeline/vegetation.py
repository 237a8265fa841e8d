"""Vegetation cover from a vegetation index. Pure."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EndMembers:
    """The index of bare soil and of full vegetation cover of one ecosystem, frozen for all years."""

    soil: float
    vegetation: float

    def __post_init__(self) -> None:
        """Guards of the linear mixture. Raises ValueError with the value that is out of bounds."""
        if not 0.03 <= self.soil <= 0.25:
            raise ValueError(f"the soil end-member {self.soil:.3f} is outside 0.03-0.25")
        if not self.vegetation >= 0.45:
            raise ValueError(f"the vegetation end-member {self.vegetation:.3f} is below 0.45")
        if not self.vegetation - self.soil >= 0.3:
            raise ValueError(f"the end-members {self.soil:.3f} and {self.vegetation:.3f} are less than 0.3 apart")


def linear_cover(index: np.ndarray, end_members: EndMembers) -> np.ndarray:
    """Fractional vegetation cover f = clip((VI - VI_soil) / (VI_veg - VI_soil), 0, 1), unit 1, any shape.

    Dimidiate pixel model, 像元二分模型 (Gutman & Ignatov 1998).
    """
    span = end_members.vegetation - end_members.soil
    return np.clip((index - end_members.soil) / span, 0, 1)


def weighted_percentile(values: np.ndarray, weights: np.ndarray, percent: float) -> float:
    """The smallest value at which the cumulative weight reaches ``percent`` of the whole.

    ``values`` ascending, ``weights`` >= 0, both (n,). Raises ValueError where all weights are zero.
    """
    cumulative = np.cumsum(weights)
    if not cumulative.size or cumulative[-1] <= 0:
        raise ValueError("a percentile of nothing")
    return float(values[np.searchsorted(cumulative, cumulative[-1] * (percent / 100))])


def calibrate_end_members(
    values: np.ndarray, weights: np.ndarray, percentiles: tuple[float, float], min_pixels: float = 100
) -> EndMembers:
    """End-members as percentiles of the peak index pooled over all years and zones of an ecosystem.

    ``values`` ascending index values (n,), ``weights`` their number of pixel-years (n,). Pooling and
    freezing keep the trend that a yearly stretch would destroy. Raises ValueError below
    ``min_pixels`` pixel-years or where the guards of `EndMembers` fail.
    """
    if weights.sum() < min_pixels:
        raise ValueError(f"{weights.sum():.0f} clear pixel-years are fewer than the {min_pixels:.0f} needed")
    soil, vegetation = (weighted_percentile(values, weights, percent) for percent in percentiles)
    return EndMembers(round(soil, 4), round(vegetation, 4))
