"""The methods that make one value per year from a season's clear observations. Pure.

One method for all years of a run: the indices at the date of peak NDVI (observations are added one by one, so the
memory is that of one scene whatever their number), or the median or the geometric median of all of them (every day of
the tile is kept, int16). A maximum is biased upward by noise, the more so the more observations a year has; the medians
are not.
"""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from pipeline.compositing.composite import Composite, store_index, store_reflectance
from pipeline.compositing.indices import bands_of
from pipeline.compositing.median import geometric_median, median_of_days
from pipeline.scenes.scene import Stored
from pipeline.variables import INDEX_NODATA


class PeakComposite(Composite):
    """Each index at the date of peak NDVI = (NIR - R) / (NIR + R), the maximum of the clear observations. The maximum
    does not depend on their order."""

    def _make_room(self, days: int) -> None:
        self._peaks = {name: np.full(self._shape, INDEX_NODATA, "int16") for name in self._indices}

    def _place(self, name: str) -> np.ndarray:
        return self._peaks[name]

    def layers(self) -> dict[str, np.ndarray]:
        return self._peaks | self._counts | {"peak_day": self._peak_day}


class _OfAllDays(Composite):
    """Keeps the indices or bands that `_kept` names of every day, int16 (days, rows, columns) each. There is no day of
    the peak."""

    _kept: Callable[[tuple[str, ...]], tuple[str, ...]]

    def _make_room(self, days: int) -> None:
        self._names = self._kept(self._indices)
        self._stack = np.empty((len(self._names), days, *self._shape), "int16")
        self._used = 0
        self._fresh = False

    def next_day(self, day_of_year: int) -> None:
        super().next_day(0)
        self._fresh = True

    def add(self, classes: np.ndarray, bands: dict[str, Stored]) -> None:
        if self._fresh:  # a day without a clear pixel takes no room
            self._stack[:, self._used] = INDEX_NODATA
            self._used += 1
            self._fresh = False
        super().add(classes, bands)

    def _place(self, name: str) -> np.ndarray:
        return self._stack[self._names.index(name), self._used - 1]

    @property
    def _days_kept(self) -> np.ndarray:
        return self._stack[:, : self._used]

    def layers(self) -> dict[str, np.ndarray]:
        return self._medians() | self._counts | {"peak_day": self._peak_day}

    @abstractmethod
    def _medians(self) -> dict[str, np.ndarray]:
        """Each index, computed from the layers kept for the days."""


class MedianComposite(_OfAllDays):
    """The median over the clear observations, for each index separately."""

    _kept = staticmethod(tuple)

    def _medians(self) -> dict[str, np.ndarray]:
        return {name: median_of_days(stack) for name, stack in zip(self._names, self._days_kept, strict=True)}


class GeometricMedianComposite(_OfAllDays):
    """The indices of the geometric median of the bands (Roberts et al. 2017), of the observations that have them all.
    Bands are kept in steps of 1e-4."""

    _kept = staticmethod(bands_of)

    def next_day(self, day_of_year: int) -> None:
        super().next_day(day_of_year)
        self._ndvi_of_day = np.full(self._shape, INDEX_NODATA, "int16")

    def _place(self, name: str) -> np.ndarray:
        return self._ndvi_of_day if name == "ndvi" else super()._place(name)

    def _keep(self, bands: dict[str, Stored]) -> None:
        for name in self._names:
            store_reflectance(bands[name], self._taken, self._place(name))

    def _medians(self) -> dict[str, np.ndarray]:
        medians = geometric_median(self._days_kept)
        bands = {name: (band, 1.0, 0.0, np.nan) for name, band in zip(self._names, medians, strict=True)}
        found = {name: np.full(self._shape, INDEX_NODATA, "int16") for name in self._indices}
        everywhere = np.ones(self._shape, "bool")
        for name, level in found.items():
            store_index(name, bands, everywhere, level)
        return found


COMPOSITES = {"max_index": PeakComposite, "median": MedianComposite, "geometric_median": GeometricMedianComposite}
"""The methods by their name in the config."""


def bytes_per_pixel_and_day(method: str, indices: tuple[str, ...]) -> int:
    """Memory that each day of a tile takes until the composite is made."""
    return {"max_index": 0, "median": 2 * len(indices), "geometric_median": 2 * len(bands_of(indices))}[method]
