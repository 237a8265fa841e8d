"""The pixels of a zone over several years: summed up into a sketch, or averaged pixel by pixel. Pure; loops are
compiled."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.execution.compiled import njit
from pipeline.stock.sketch import FIRST_LEVEL, LEVELS, PARTS, Sketch
from pipeline.variables import INDEX_NODATA


class SketchBuilder:
    """Adds up the windows of a zone into a sketch, always in the same order."""

    def __init__(self) -> None:
        self._land = np.zeros(LEVELS.size)
        self._water = np.zeros(LEVELS.size)
        self._clear = np.zeros(1)
        self._size = 0.0
        self._years = np.zeros(0)
        self._mosaic = np.zeros((len(PARTS), 0))

    def add(
        self, fractions: np.ndarray, index: np.ndarray, clear: np.ndarray, water: np.ndarray,
        mosaic: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Add a window: covered fractions and clear observations of all the years (rows, columns), stored index and
        open water (years, rows, columns), and where shrub may grow the `PARTS` of the fractions (3, rows, columns)."""
        grown = np.zeros(max(self._clear.size, int(clear.max(initial=0)) + 1))
        grown[: self._clear.size] = self._clear
        self._clear = grown
        self._years = self._years if self._years.size else np.zeros(len(index))
        self._size += _add_window(fractions, index, clear, water, self._land, self._water, self._clear, self._years)
        if mosaic is not None:
            self._mosaic = self._mosaic if self._mosaic.size else np.zeros((len(PARTS), LEVELS.size))
            _add_mosaic(mosaic, index, water, self._mosaic)

    def sketch(self) -> Sketch:
        mosaic = self._mosaic if self._mosaic[1:].any() else None
        found = Sketch(self._land, self._water, self._clear, self._size, mosaic, self._years)
        return replace(found, years=np.array([found.observed])) if self._years.size == 1 else found


@njit(nogil=True, cache=True, error_model="numpy")
def _add_window(fractions, index, clear, water, land_weights, water_weights, clear_weights, year_weights):
    """Add each pixel's fraction to its levels, its years and its clear count; returns the sum of fractions."""
    years, height, width = index.shape
    size = 0.0
    for y in range(height):
        for x in range(width):
            weight = np.float64(fractions[y, x])
            if weight == 0:
                continue
            size += weight
            clear_weights[clear[y, x]] += weight
            seen = 0
            for year in range(years):
                seen += index[year, y, x] != INDEX_NODATA
            for year in range(years):
                level = index[year, y, x]
                if level != INDEX_NODATA:
                    weights = water_weights if water[year, y, x] else land_weights
                    weights[level - FIRST_LEVEL] += weight / seen
                    if years > 1:  # all of it is that of the one year else, and the sum is slow to wait for
                        year_weights[year] += weight / seen
    return size


@njit(nogil=True, cache=True, error_model="numpy")
def _add_mosaic(mosaic, index, water, weights):
    """Add the parts of each pixel to its dry levels, as `_add_window` adds their sum."""
    years, height, width = index.shape
    for part in range(mosaic.shape[0]):
        for y in range(height):
            for x in range(width):
                weight = np.float64(mosaic[part, y, x])
                if weight == 0:
                    continue
                seen = 0
                for year in range(years):
                    seen += index[year, y, x] != INDEX_NODATA
                for year in range(years):
                    level = index[year, y, x]
                    if level != INDEX_NODATA and not water[year, y, x]:
                        weights[part, level - FIRST_LEVEL] += weight / seen


@njit(nogil=True, cache=True, error_model="numpy")
def mean_of_years(index, water, response, dry_only, fractions):
    """Per pixel the mean over its observed years of ``response`` (20001,) at the stored index; NaN where there is none,
    or where ``fractions``, the zone's share of a pixel, is 0.

    ``index`` int16 and ``water`` bool are (years, rows, columns). With ``dry_only`` open water counts with 0.
    The same numbers as `Sketch.mean`, pixel by pixel.
    """
    years, height, width = index.shape
    means = np.zeros((height, width), np.float32)
    seen = np.empty(width, np.uint16)
    for y in range(height):
        covered, total = fractions[y], means[y]
        seen[:] = 0
        for year in range(years):
            levels, wet = index[year, y], water[year, y]
            for x in range(width):
                if covered[x] != 0 and levels[x] != INDEX_NODATA:
                    seen[x] += 1
                    if not (dry_only and wet[x]):
                        total[x] += response[levels[x] - FIRST_LEVEL]
        for x in range(width):
            mean = total[x] / np.float32(seen[x])
            total[x] = mean if seen[x] else np.float32(np.nan)
    return means


@njit(nogil=True, cache=True)
def open_water(clear_count, water_count, min_share):
    """Pixels (years, rows, columns) of whose clear observations at least ``min_share`` are water, bool."""
    wet = np.empty(clear_count.shape, np.bool_)
    share = np.float32(min_share)
    years, height, width = clear_count.shape
    for year in range(years):
        for y in range(height):
            for x in range(width):
                count = water_count[year, y, x]
                wet[year, y, x] = count > 0 and np.float32(count) >= np.float32(clear_count[year, y, x]) * share
    return wet


def places(wanted: Sequence[int], years: Sequence[int]) -> slice | list[int]:
    """Positions of the ``wanted`` among the ``years``; a slice, which copies nothing, if they follow each other."""
    found = [years.index(year) for year in wanted]
    first, end = found[0], found[-1] + 1
    return slice(first, end) if found == list(range(first, end)) else found
