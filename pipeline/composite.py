"""Yearly composite of one tile: which observations count, and the indices of their pixels. Pure.

`composite_methods` has the ways to make one value of a season's observations.
"""

from abc import ABC, abstractmethod

import numpy as np

from pipeline.blocks import Blocks, blocks_with
from pipeline.compiled import njit
from pipeline.indices import INDICES, index_value, normalised_difference
from pipeline.scene import BUFFERED, CLEAR, WATER, Stored
from pipeline.variables import INDEX_NODATA, INDEX_STEP

MIN_REFLECTANCE = -0.005
MAX_REFLECTANCE = 1.6
"""Clear land lies within; much of it outside means that scale or offset are wrong."""

HIGHEST_LEVEL = int(np.iinfo("int16").max)
"""What a stored step of reflectance can be at most."""


class Composite(ABC):
    """What the methods share: what of an observation counts, and how often a pixel was clear or water.

    A subclass names in `_place` the int16 array that takes an index or band of the observations of a day.
    """

    def __init__(self, shape: tuple[int, int], indices: tuple[str, ...] = ("ndvi",), days: int = 1) -> None:
        """``days`` is the number of days with observations, at most."""
        self._shape, self._indices, self._days = shape, indices, days
        self._counts = {name: np.zeros(shape, "uint8") for name in ("clear_count", "water_count")}
        self._peak_day = np.zeros(shape, "uint16")
        self._day = 0
        self._seen = np.zeros(shape, "bool")
        self._taken = np.zeros(shape, "bool")

    def next_day(self, day_of_year: int) -> None:
        """Begin a day: overlapping tiles of one day are one observation, the first in which a pixel is clear."""
        self._day = day_of_year
        self._seen[:] = False

    def wanted(self, classes: np.ndarray) -> Blocks:
        """The blocks that hold a clear pixel which this day has not seen yet."""
        return blocks_with(classes & CLEAR, self._seen)

    def add(self, classes: np.ndarray, bands: dict[str, Stored]) -> None:
        """Add an observation: pixel classes, and bands as (stored values, scale, offset, nodata).

        Raises ValueError where more than a tenth of the clear land cannot be reflectance.
        """
        clear, impossible = _observe(
            classes, *bands["red"], *bands["nir"], self._day, self._seen, self._taken, self._place("ndvi"),
            self._peak_day, self._counts["clear_count"], self._counts["water_count"],
        )  # fmt: skip
        if impossible > max(50, clear / 10):
            raise ValueError(
                f"{impossible / clear:.0%} of its clear land has impossible reflectance (above {MAX_REFLECTANCE} or "
                "negative), so its scale or offset is wrong or applied twice"
            )
        self._keep(bands)

    @abstractmethod
    def _place(self, name: str) -> np.ndarray:
        """Where the values of this day go."""

    def _keep(self, bands: dict[str, Stored]) -> None:
        """Store what else is kept of the pixels just taken: the further indices."""
        for name in self._indices:
            if name != "ndvi":
                store_index(name, bands, self._taken, self._place(name))

    @abstractmethod
    def layers(self) -> dict[str, np.ndarray]:
        """The composite of all observations added: each index as int16 steps of 1e-4, ``clear_count`` and
        ``water_count`` as uint8, ``peak_day`` as uint16 day of the year of peak NDVI, 0 where there is none."""


def store_index(name: str, bands: dict[str, Stored], here: np.ndarray, out: np.ndarray) -> None:
    """Write an index into ``out`` where ``here``: nodata where it is NaN or a band is missing, held within -1 to 1."""
    index = INDICES[name]
    first, second = (bands[band] for band in index.bands)
    _store_index(index.formula, *first, *second, here, out)


def store_reflectance(band: Stored, here: np.ndarray, out: np.ndarray) -> None:
    """Write a band into ``out`` (int16, steps of 1e-4) where ``here``, nodata where it is missing."""
    _store_reflectance(*band, here, out)


def buffer_clouds(classes: np.ndarray, radius_px: int) -> np.ndarray:
    """``classes`` without CLEAR within ``radius_px`` (square window) of a BUFFERED pixel."""
    if radius_px < 1:
        return classes
    return _buffer(classes, radius_px)


@njit(nogil=True, cache=True)
def _buffer(classes, radius):
    """Along each row, shifted rows laid over each other; then along all columns at once, a sum that moves down.
    Loops over whole rows without a branch: the compiler takes 16 pixels at a time."""
    height, width = classes.shape
    near = np.zeros(classes.shape, np.uint8)
    for y in range(height):
        for shift in range(-radius, radius + 1):
            start, stop = max(0, shift), min(width, width + shift)
            clouds, reached = classes[y, start:stop], near[y, start - shift : stop - shift]
            for x in range(stop - start):
                reached[x] |= clouds[x] & BUFFERED
    buffered = np.empty_like(classes)
    within = np.zeros(width, np.uint16)
    for y in range(-radius, height):
        if y + radius < height:
            entering = near[y + radius]
            for x in range(width):
                within[x] += entering[x]
        if y > radius:
            leaving = near[y - radius - 1]
            for x in range(width):
                within[x] -= leaving[x]
        if y >= 0:
            before, after = classes[y], buffered[y]
            for x in range(width):
                after[x] = before[x] & (np.uint8(255) if within[x] == 0 else np.uint8(255 - CLEAR))
    return buffered


@njit(nogil=True, cache=True)
def _missing(stored, nodata):
    return stored == nodata or stored != stored  # NaN equals nothing, not even itself


@njit(nogil=True, cache=True)
def _reflectance(stored, scale, offset, nodata):
    """Reflectance (unit 1) of a stored value, NaN where it is missing."""
    return np.nan if _missing(stored, nodata) else stored * scale + offset


@njit(nogil=True, cache=True)
def _level(value, limit):
    """The value in steps of 1e-4, held within +-limit; nodata for NaN."""
    return np.int16(np.rint(min(limit, max(-limit, value)) / INDEX_STEP)) if value == value else np.int16(INDEX_NODATA)


@njit(nogil=True, cache=True, error_model="numpy")
def _store_index(
    formula, first, first_scale, first_offset, first_nodata, second, second_scale, second_offset, second_nodata,
    here, out,
):  # fmt: skip
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if here[y, x]:
                low = _reflectance(first[y, x], first_scale, first_offset, first_nodata)
                high = _reflectance(second[y, x], second_scale, second_offset, second_nodata)
                out[y, x] = _level(index_value(formula, low, high), 1.0)


@njit(nogil=True, cache=True)
def _store_reflectance(stored, scale, offset, nodata, here, out):
    limit = HIGHEST_LEVEL * INDEX_STEP
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if here[y, x]:
                out[y, x] = _level(_reflectance(stored[y, x], scale, offset, nodata), limit)


SEEN, LAND, KNOWN = 1, 2, 4
"""Bits of what an observation gives to a pixel: a new clear one, of land, with an index."""


@njit(nogil=True, cache=True, error_model="numpy")
def _observe(
    classes, red, red_scale, red_offset, red_nodata, nir, nir_scale, nir_offset, nir_nodata,
    day, seen, taken, ndvi, peak_day, clear_count, water_count,
):  # fmt: skip
    """One pass over the tile: count what is clear, and raise ``ndvi`` where this observation is higher; ``taken`` marks
    where it was. Returns (clear, impossible) land.

    A row is first worked out and then laid over what is there: more arrays at once than a cache has ways, all of them
    a power of two long, push each other out of it.
    """
    clear = 0
    impossible = 0
    width = classes.shape[1]
    levels, gives = np.empty(width, np.int16), np.empty(width, np.uint8)
    for y in range(classes.shape[0]):
        for x in range(width):
            gives[x] = 0
            bits = classes[y, x]
            r_stored = red[y, x]
            n_stored = nir[y, x]
            if not bits & CLEAR or seen[y, x] or _missing(r_stored, red_nodata) or _missing(n_stored, nir_nodata):
                continue
            r = r_stored * red_scale + red_offset
            n = n_stored * nir_scale + nir_offset
            gives[x] = SEEN if bits & WATER else SEEN | LAND
            if not bits & WATER:
                clear += 1
                if r > MAX_REFLECTANCE or n > MAX_REFLECTANCE or r < MIN_REFLECTANCE or n < MIN_REFLECTANCE:
                    impossible += 1
            value = normalised_difference(r, n)
            if value == value:
                gives[x] |= KNOWN
                levels[x] = np.rint(min(1.0, max(-1.0, value)) / INDEX_STEP)
        for x in range(width):
            taken[y, x] = False
            if gives[x]:
                seen[y, x] = True
            if not gives[x] & KNOWN:
                continue
            if clear_count[y, x] < 255:
                clear_count[y, x] += 1
                if not gives[x] & LAND:
                    water_count[y, x] += 1
            if levels[x] > ndvi[y, x]:
                ndvi[y, x] = levels[x]
                peak_day[y, x] = day
                taken[y, x] = True
    return clear, impossible
