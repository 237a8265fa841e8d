"""Yearly composite of one tile: which observations count, and the indices of their pixels. Pure.

`composite_methods` has the ways to make one value of a season's observations.
"""

from abc import ABC, abstractmethod

import numpy as np

from pipeline.blocks import CELL_PX, Blocks, Cells, blocks_of, blocks_with, rectangles
from pipeline.compositing.indices import (
    INDICES,
    NORMALISED_DIFFERENCE,
    index_value,
    normalised_difference,
    reflectance_at,
    reflectance_of,
)
from pipeline.compositing.shadow import is_below_shadow, refuse_below_shadow
from pipeline.execution.compiled import njit
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER
from pipeline.scenes.scene import Stored
from pipeline.variables import INDEX_NODATA, INDEX_STEP

MIN_REFLECTANCE = -0.005
MAX_REFLECTANCE = 1.6
"""Limits of the reflectance (unit 1) of clear land: pixels outside do not count, and many of them mean that scale or
offset are wrong."""

DARKEST = 0.001
"""Least reflectance (unit 1) that clear land has in red or near infrared (expert choice): where many pixels have less,
it was divided by 10 000 twice."""

MOST_DIFFERENCE = np.float32(1.05)
"""A normalised difference (unit 1) above it is that of dark ground with a negative reflectance, and means nothing
(expert choice)."""

STEPS = np.float32(1 / INDEX_STEP)
HIGHEST_LEVEL = int(np.iinfo("int16").max)
"""Largest number of steps of 1e-4 that a stored reflectance can have."""


class Composite(ABC):
    """What the methods share: which pixels of an observation count, and how often a pixel was clear or water.

    A subclass names in `_place` the int16 array that takes an index or band of the observations of a day.
    """

    def __init__(
        self, shape: tuple[int, int], indices: tuple[str, ...] = ("ndvi",), days: int = 1, cells: Cells | None = None
    ) -> None:
        """``days`` is the largest number of days with observations; outside ``cells`` everything stays nodata."""
        self._shape, self._indices = shape, indices
        self._blocks = True if cells is None else blocks_of(cells)
        self._places = np.array(
            [[p for part in window for p in (part.start, part.stop)] for window in rectangles(cells, shape, CELL_PX)]
        ).reshape(-1, 4)
        self._counts = {name: np.zeros(shape, "uint8") for name in ("clear_count", "water_count")}
        self._peak_day = np.zeros(shape, "uint16")
        self._day = 0
        self._seen = np.zeros(shape, "bool")
        self._taken = np.zeros(shape, "bool")
        self._make_room(days)

    @abstractmethod
    def _make_room(self, days: int) -> None:
        """Allocate the arrays for ``days`` days."""

    def next_day(self, day_of_year: int) -> None:
        """Begin a day: overlapping tiles of one day are one observation, the first in which a pixel is clear."""
        self._day = day_of_year
        self._seen[:] = False

    def wanted(self, classes: np.ndarray) -> Blocks:
        """The blocks that hold a clear pixel which this day has not seen yet."""
        return blocks_with(classes, CLEAR, self._seen) & self._blocks

    def add(self, classes: np.ndarray, bands: dict[str, Stored]) -> None:
        """Add an observation: pixel classes, and bands as (stored values, scale, offset, nodata).

        Raises ValueError where more than a tenth of the clear land, or a hundredth of all, cannot be reflectance.
        """
        clear, impossible, known, below = _observe(
            self._places, classes, bands["red"], bands["nir"], self._day, self._seen, self._taken,
            self._place("ndvi"), self._peak_day, self._counts["clear_count"], self._counts["water_count"],
        )  # fmt: skip
        if impossible > max(50, clear / 10):
            raise ValueError(
                f"{impossible / clear:.0%} of its clear land has impossible reflectance (above {MAX_REFLECTANCE}, "
                "negative or next to none), so its scale or offset is wrong or applied twice"
            )
        refuse_below_shadow(known, below)
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
    _store_index(index.formula, *(bands[band] for band in index.bands), here, out)


def buffer_clouds(classes: np.ndarray, radius_px: int, margin_px: int = 0) -> np.ndarray:
    """``classes`` without CLEAR within ``radius_px`` (square window) of a BUFFERED pixel. The outermost ``margin_px``
    on each side count, but are not returned."""
    if radius_px < 1:
        rows, columns = (slice(margin_px, size - margin_px) for size in classes.shape)
        return classes[rows, columns]
    return _buffer(classes, radius_px, margin_px)


@njit(nogil=True, cache=True)
def _buffer(classes, radius, margin):
    """Along each row, shifted rows laid over each other; then along all columns at once, a sum that moves down over the
    rows that are near. Loops over whole rows without a branch: the compiler takes 16 pixels at a time."""
    height, width = classes.shape
    buffered = np.empty((height - 2 * margin, width - 2 * margin), np.uint8)
    kept = 2 * radius + 2
    near = np.zeros((kept, width), np.uint8)
    within = np.zeros(width, np.uint16)
    for y in range(-radius, height - margin):
        entering, leaving = near[(y + radius) % kept], near[(y - radius - 1) % kept]
        entering[:] = 0
        if y + radius < height:
            for shift in range(-radius, radius + 1):
                start, stop = max(0, shift), min(width, width + shift)
                clouds, reached = classes[y + radius, start:stop], entering[start - shift : stop - shift]
                for x in range(stop - start):
                    reached[x] |= clouds[x] & BUFFERED
        for x in range(width):
            within[x] += entering[x]
        for x in range(width):
            within[x] -= leaving[x]
        if y >= margin:
            before, after, counts = classes[y, margin:], buffered[y - margin], within[margin:]
            for x in range(after.size):
                after[x] = before[x] & (np.uint8(255) if counts[x] == 0 else np.uint8(255 - CLEAR))
    return buffered


@njit(nogil=True, cache=True)
def _level(value, limit):
    """The value in steps of 1e-4, held within +-limit; nodata for NaN."""
    steps = np.rint(min(limit, max(-limit, value)) * STEPS)
    return np.int16(np.int32(steps if value == value else INDEX_NODATA))


@njit(nogil=True, cache=True, error_model="numpy")
def _difference_level(low, high):
    """Normalised difference in steps of 1e-4, held within -1 to 1; nodata beyond `MOST_DIFFERENCE`, which a maximum
    would take for the greenest day."""
    value = normalised_difference(low, high)
    return _level(value if value <= MOST_DIFFERENCE else np.float32(np.nan), np.float32(1))


@njit(nogil=True, cache=True, error_model="numpy")
def _store_index(formula, first, second, here, out):
    """A normalised difference is computed for every pixel of a row, as in `_observe`; the other indices only where they
    are wanted, since they cost more."""
    height, width = out.shape
    low, high, levels = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.int16)
    for y in range(height):
        _reflectances(first, y, 0, low)
        _reflectances(second, y, 0, high)
        if formula == NORMALISED_DIFFERENCE:
            for x in range(width):
                levels[x] = _difference_level(low[x], high[x])
        else:
            for x in range(width):
                if here[y, x]:
                    levels[x] = _level(index_value(formula, low[x], high[x]), np.float32(1))
        _lay(levels, here[y], out[y])


@njit(nogil=True, cache=True)
def store_reflectance(band, here, out):
    """Write a band (`scene.Stored`) into ``out`` (int16, steps of 1e-4) where ``here``, nodata where it is missing."""
    limit = np.float32(HIGHEST_LEVEL * INDEX_STEP)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if here[y, x]:
                out[y, x] = _level(reflectance_at(band, y, x), limit)


@njit(nogil=True, cache=True)
def _reflectances(band, row, left, out):
    """Put the reflectance of a row of a band, from the column ``left`` on, into ``out``; the slice lets the compiler
    process many pixels at once."""
    stored, scale, offset, nodata = band
    values = stored[row, left : left + out.size]
    for x in range(out.size):
        out[x] = reflectance_of(values[x], scale, offset, nodata)


@njit(nogil=True, cache=True)
def _lay(values, where, out):
    """Put ``values`` into ``out`` where ``where``."""
    for x in range(out.size):
        new, old = values[x], out[x]
        out[x] = new if where[x] else old


@njit(nogil=True, cache=True, error_model="numpy")
def _observe(places, classes, red, nir, day, seen, taken, ndvi, peak_day, clear_count, water_count):
    """Count what is clear in the ``places`` (top, bottom, left, right), and raise ``ndvi`` where this observation is
    higher; ``taken`` marks where it was. Returns the numbers of clear land pixels; of impossible ones, which count as
    not seen; and, of any class, of pixels known in both bands, and of those among them that are below
    `shadow.BELOW_SHADOW`.

    A row takes a loop for each step, without a branch and over few arrays: such loops the compiler turns into
    instructions on many pixels at once.
    """
    clear = 0
    impossible = 0
    known = 0
    below = 0
    least, most, darkest = np.float32(MIN_REFLECTANCE), np.float32(MAX_REFLECTANCE), np.float32(DARKEST)
    widest = classes.shape[1]
    r_row, n_row, level_row = np.empty(widest, np.float32), np.empty(widest, np.float32), np.empty(widest, np.int16)
    new_row, land_row = np.empty(widest, np.bool_), np.empty(widest, np.bool_)
    odd_row = np.empty(widest, np.bool_)
    days = np.full(widest, day, np.uint16)
    for top, bottom, left, right in places:
        width = right - left
        r, n, levels = r_row[:width], n_row[:width], level_row[:width]
        new, land, odd = new_row[:width], land_row[:width], odd_row[:width]
        for y in range(top, bottom):
            bits, was_seen, higher = classes[y, left:right], seen[y, left:right], taken[y, left:right]
            peaks, clears, waters = ndvi[y, left:right], clear_count[y, left:right], water_count[y, left:right]
            _reflectances(red, y, left, r)
            _reflectances(nir, y, left, n)
            for x in range(width):
                known += (r[x] == r[x]) & (n[x] == n[x])
            for x in range(width):
                below += is_below_shadow(r[x], n[x])
            for x in range(width):
                new[x] = (bits[x] & CLEAR != 0) & ~was_seen[x] & (r[x] == r[x]) & (n[x] == n[x])
            for x in range(width):
                land[x] = new[x] & (bits[x] & WATER == 0)
            for x in range(width):
                clear += land[x]
            for x in range(width):
                bright = max(r[x], n[x])
                odd[x] = land[x] & ((bright > most) | (bright < darkest) | (min(r[x], n[x]) < least))
            for x in range(width):
                impossible += odd[x]
            for x in range(width):
                new[x] &= ~odd[x]
            for x in range(width):
                was_seen[x] |= new[x]
            for x in range(width):
                levels[x] = _difference_level(r[x], n[x])
            for x in range(width):
                new[x] &= levels[x] != INDEX_NODATA
            for x in range(width):
                waters[x] += new[x] & ~land[x] & (clears[x] < 255)
            for x in range(width):
                clears[x] += new[x] & (clears[x] < 255)
            for x in range(width):
                higher[x] = new[x] & (levels[x] > peaks[x])
            _lay(levels, higher, peaks)
            _lay(days, higher, peak_day[y, left:right])
    return clear, impossible, known, below
