"""Zone sketches: the distribution of the index in a zone, from which every total is read. Pure.

Behind the composite every quantity of a pixel is a function of its index and stratum. So the coverage-
weighted histogram of the index, in the steps in which the index is stored, gives every mean and total of a
zone exactly, without touching a raster again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.variables import INDEX_STEP

LEVELS = np.arange(-10_000, 10_001)
"""Stored index levels; level x INDEX_STEP is the index."""

FIRST_LEVEL = int(LEVELS[0])

INDEX = (LEVELS * INDEX_STEP).astype("float32")
"""Index of each level, (20001,)."""


@dataclass(frozen=True)
class Sketch:
    """Distribution of one zone over a year or a period, in pixels of the grid.

    ``land`` and ``water`` (20001,) are weights per index level: covered fraction, divided by the number of
    observed years of the pixel, so that each observed pixel counts once. ``clear`` (n,) are weights per number
    of clear observations. ``size`` is the whole zone in pixels, observed or not.
    """

    land: np.ndarray
    water: np.ndarray
    clear: np.ndarray
    size: float

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

    def mean(self, per_level: np.ndarray) -> float:
        """Mean over the observed part of a quantity given per index level (20001,); open water holds none."""
        return self._mean((self.land * per_level).sum())

    def _mean(self, total: float) -> float:
        return float(total / self.observed) if self.observed else np.nan


def pool(sketches: list[Sketch]) -> np.ndarray:
    """Land weights of several sketches together, (20001,): the distribution that end-members are taken from."""
    return np.sum([sketch.land for sketch in sketches], axis=0)


def representative(weights: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(mean index, weight) of at most ``count`` groups of levels of about equal weight, (k,) each, from weights per
    level (20001,). Means of smooth functions of the index over the groups are those over the levels, nearly."""
    total = weights.sum()
    middle = np.cumsum(weights) - weights / 2
    group = np.minimum(middle / max(total, 1e-300) * count, count - 1).astype(int)
    sums = np.bincount(group, weights, count)
    means = np.bincount(group, weights * LEVELS, count) / np.maximum(sums, 1e-300) * INDEX_STEP
    return means[sums > 0], sums[sums > 0]


def per_level(quantity: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The quantity at each index level, float32 (20001,)."""
    return np.asarray(quantity(INDEX), "float32")


def save_sketches(path: Path, sketches: dict[str, Sketch]) -> None:
    """Write sketches by label to an .npz file."""
    parts = {
        f"{label}/{name}": np.asarray(getattr(sketch, name))
        for label, sketch in sketches.items()
        for name in ("land", "water", "clear", "size")
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **parts)


def load_sketches(path: Path) -> dict[str, Sketch]:
    """The sketches written by `save_sketches`."""
    with np.load(path) as parts:
        labels = dict.fromkeys(name.rsplit("/", 1)[0] for name in parts.files)
        return {
            label: Sketch(
                *(parts[f"{label}/{name}"] for name in ("land", "water", "clear")), float(parts[f"{label}/size"])
            )
            for label in labels
        }
