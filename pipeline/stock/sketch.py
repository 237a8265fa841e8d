"""Zone sketches: the distribution of the index in a zone, from which every total is computed. Pure.

Behind the composite every quantity of a pixel is a function of its index and stratum. So the coverage-
weighted histogram of the index, in the steps in which the index is stored, gives every mean and total of a
zone exactly, without touching a raster again. Where shrub grows among the other plants, its ground has a
histogram of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.variables import INDEX_STEP

LEVELS = np.arange(-10_000, 10_001)
"""Stored index levels; level x INDEX_STEP is the index."""

FIRST_LEVEL = int(LEVELS[0])

INDEX = (LEVELS * INDEX_STEP).astype("float32")
"""Index of each level, (20001,)."""

PARTS = ("other", "shrub", "surveyed_shrub")
"""Parts of a mosaic: ground of the zone's own ecosystem; shrub whose cover is taken from the index; shrub whose cover
was surveyed. The weights of the last are already multiplied by that cover, so its response is that of full cover."""

FIRST_PART = np.array([[1], [0], [0]])
"""A quantity per index level, times this, counts on the first of the `PARTS` and is 0 on shrub."""


def seen_enough(observed_fraction: float, least: float) -> bool:
    """Whether the observed part of a zone may represent all of it: it is at least ``least``, and not 0."""
    return observed_fraction > 0 and observed_fraction >= least


@dataclass(frozen=True)
class Sketch:
    """Distribution of one zone over a year or a period, in pixels of the grid.

    ``land`` and ``water`` (20001,) are weights per index level: covered fraction, divided by the number of
    observed years of the pixel, so that each observed pixel counts once. ``clear`` (n,) are weights per number
    of clear observations. ``size`` is the whole zone in pixels, observed or not. ``mosaic`` (3, 20001) splits the land
    into `PARTS`; None where no shrub grows. ``years`` (y,) shares the observed part out to the years of the period, in
    pixels; None where that is not known.
    """

    land: np.ndarray
    water: np.ndarray
    clear: np.ndarray
    size: float
    mosaic: np.ndarray | None = None
    years: np.ndarray | None = None

    @property
    def observed(self) -> float:
        """Observed part of the zone, in pixels."""
        return float(self.land.sum() + self.water.sum())

    @property
    def observed_fraction(self) -> float:
        return min(1.0, self.observed / self.size) if self.size else 0.0

    @property
    def water_fraction(self) -> float:
        """Open water's share of the observed part; NaN where nothing was observed."""
        return float(self.water.sum() / self.observed) if self.observed else np.nan

    @property
    def clear_median(self) -> float:
        """Area-weighted median number of clear observations, 0 where there are none."""
        return float(np.searchsorted(np.cumsum(self.clear), self.clear.sum() / 2)) if self.clear.any() else 0.0

    @property
    def mean_index(self) -> float:
        """Mean index of the observed part, water included; NaN where nothing was observed."""
        return self._mean(((self.land + self.water) * INDEX).sum())

    @property
    def shrub(self) -> np.ndarray:
        """Shrub ground by index level (20001,), surveyed or not."""
        return np.zeros(LEVELS.size) if self.mosaic is None else np.maximum(self.land - self.mosaic[0], 0)

    @property
    def shrub_fraction(self) -> float:
        """Shrub's share of the observed part; NaN where nothing was observed."""
        return self._mean(self.shrub.sum())

    def mean(self, per_level: np.ndarray) -> float:
        """Mean over the observed part of a quantity given per index level (20001,); open water counts as 0. A quantity
        for each of the `PARTS`, (3, 20001), is weighted by the mosaic; without a mosaic all land is the first part."""
        if per_level.ndim == 1:
            return self._mean((self.land * per_level).sum())
        return self.mean(per_level[0]) if self.mosaic is None else self._mean((self.mosaic * per_level).sum())

    def spread(self, per_level: np.ndarray) -> float:
        """Standard deviation over the observed part of a quantity as for `mean`; NaN where nothing was observed. Of
        surveyed shrub only the mean cover at each index level is known: what varies within a level is left out."""
        squares = per_level.astype(float) ** 2
        if squares.ndim > 1 and self.mosaic is not None:  # the cover is in the weights, and once more in the square
            ground, covered = self.shrub - self.mosaic[1], self.mosaic[2]
            squares[2] *= np.minimum(np.divide(covered, ground, out=np.ones(LEVELS.size), where=ground > 0), 1)
        return max(self.mean(squares) - self.mean(per_level) ** 2, 0) ** 0.5

    def _mean(self, total: float) -> float:
        return float(total / self.observed) if self.observed else np.nan


Sketches = dict[str, dict[str, Sketch]]
"""By zone, and for each by year or period."""


def pool(sketches: list[Sketch]) -> np.ndarray:
    """Sum of the land weights of several sketches, (20001,): the distribution that end-members are taken from."""
    return np.sum([sketch.land for sketch in sketches], axis=0)


def representative(weights: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(mean index, weight) of at most ``count`` groups of levels of about equal weight, (k,) each, from weights per
    level (20001,). For smooth functions of the index, means over the groups are nearly those over the levels."""
    total = weights.sum()
    middle = np.cumsum(weights) - weights / 2
    group = np.minimum(middle / max(total, 1e-300) * count, count - 1).astype(int)
    sums = np.bincount(group, weights, count)
    means = np.bincount(group, weights * LEVELS, count) / np.maximum(sums, 1e-300) * INDEX_STEP
    return means[sums > 0], sums[sums > 0]


def per_level(quantity: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The quantity at each index level, float32 (20001,), or (3, 20001) where it has `PARTS`."""
    return np.asarray(quantity(INDEX), "float32")
