"""Yearly composite of one tile: index at the date of peak NDVI, clear and water counts. Pure.

Observations are added one by one, so the memory is that of one scene, whatever their number. The maximum
does not depend on their order.
"""

import numpy as np
from numba import njit

from pipeline.scene import BUFFERED, CLEAR, WATER
from pipeline.variables import INDEX_NODATA, INDEX_STEP

EXTRA_BANDS = {"ndmi": ("nir", "swir16")}
"""Bands of the indices that are kept beside NDVI: (a, b) of the normalised difference (a - b) / (a + b)."""

MIN_REFLECTANCE = -0.005
MAX_REFLECTANCE = 1.6
"""Clear land lies within; much of it outside means that scale or offset are wrong."""


class PeakComposite:
    """Layers of one tile and year: ``ndvi`` and further indices as int16 steps of 1e-4, ``clear_count`` and
    ``water_count`` as uint8. NDVI = (NIR - R) / (NIR + R) (Rouse 1974), the maximum of clear observations."""

    def __init__(self, shape: tuple[int, int], indices: tuple[str, ...] = ("ndvi",)) -> None:
        self.layers = {index: np.full(shape, INDEX_NODATA, "int16") for index in indices}
        self.layers["clear_count"] = np.zeros(shape, "uint8")
        self.layers["water_count"] = np.zeros(shape, "uint8")
        self._seen = np.zeros(shape, "bool")
        self._peaked = np.zeros(shape, "bool")

    def next_day(self) -> None:
        """Begin a day: overlapping tiles of one day are one observation, the first in which a pixel is clear."""
        self._seen[:] = False

    def wants(self, classes: np.ndarray) -> bool:
        """Whether ``classes`` holds a clear pixel that this day has not seen yet."""
        return _any_new(classes, self._seen)

    def add(self, classes: np.ndarray, bands: dict[str, tuple[np.ndarray, float, float, float]]) -> None:
        """Add an observation: pixel classes, and bands as (stored values, scale, offset, nodata).

        Raises ValueError where more than a tenth of the clear land cannot be reflectance.
        """
        red, nir = bands["red"], bands["nir"]
        clear, impossible = _update_peak(
            classes, *red, *nir, self._seen, self._peaked,
            self.layers["ndvi"], self.layers["clear_count"], self.layers["water_count"],
        )  # fmt: skip
        if impossible > max(50, clear / 10):
            raise ValueError(
                f"{impossible / clear:.0%} of its clear land has impossible reflectance (above {MAX_REFLECTANCE} or "
                "negative), so its scale or offset is wrong or applied twice"
            )
        for index in self.layers.keys() & EXTRA_BANDS.keys():
            _store_difference(self._peaked, *(bands[name] for name in EXTRA_BANDS[index]), self.layers[index])


def buffer_clouds(classes: np.ndarray, radius_px: int) -> np.ndarray:
    """``classes`` without CLEAR within ``radius_px`` (square window) of a BUFFERED pixel."""
    if radius_px < 1:
        return classes
    return _buffer(classes, radius_px)


def bands_of(indices: tuple[str, ...]) -> tuple[str, ...]:
    """The bands that the indices need."""
    return tuple(dict.fromkeys(["red", "nir", *(band for index in indices for band in EXTRA_BANDS.get(index, ()))]))


@njit(nogil=True, cache=True)
def _any_new(classes, seen):
    for y in range(classes.shape[0]):
        for x in range(classes.shape[1]):
            if classes[y, x] & CLEAR and not seen[y, x]:
                return True
    return False


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


@njit(nogil=True, cache=True, error_model="numpy")
def _update_peak(
    classes, red, red_scale, red_offset, red_nodata, nir, nir_scale, nir_offset, nir_nodata,
    seen, peaked, peak, clear_count, water_count,
):  # fmt: skip
    """One pass over the tile; marks in ``peaked`` where the peak was raised. Returns (clear, impossible) land."""
    clear = 0
    impossible = 0
    for y in range(classes.shape[0]):
        for x in range(classes.shape[1]):
            peaked[y, x] = False
            bits = classes[y, x]
            r_stored = red[y, x]
            n_stored = nir[y, x]
            if not bits & CLEAR or seen[y, x] or _missing(r_stored, red_nodata) or _missing(n_stored, nir_nodata):
                continue
            seen[y, x] = True
            r = r_stored * red_scale + red_offset
            n = n_stored * nir_scale + nir_offset
            water = bits & WATER != 0
            if not water:
                clear += 1
                if r > MAX_REFLECTANCE or n > MAX_REFLECTANCE or r < MIN_REFLECTANCE or n < MIN_REFLECTANCE:
                    impossible += 1
            if n + r < 1e-6:
                continue
            ndvi = min(1.0, max(-1.0, (n - r) / (n + r)))
            if clear_count[y, x] < 255:
                clear_count[y, x] += 1
                if water:
                    water_count[y, x] += 1
            stored = np.int16(np.rint(ndvi / INDEX_STEP))
            if stored > peak[y, x]:
                peak[y, x] = stored
                peaked[y, x] = True
    return clear, impossible


@njit(nogil=True, cache=True, error_model="numpy")
def _store_difference(here, a, b, out):
    """out = (a - b) / (a + b) where ``here``, nodata where a band is missing."""
    a_stored, a_scale, a_offset, a_nodata = a
    b_stored, b_scale, b_offset, b_nodata = b
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            if not here[y, x]:
                continue
            high = a_stored[y, x] * a_scale + a_offset
            low = b_stored[y, x] * b_scale + b_offset
            if _missing(a_stored[y, x], a_nodata) or _missing(b_stored[y, x], b_nodata) or high + low < 1e-6:
                out[y, x] = INDEX_NODATA
            else:
                out[y, x] = np.int16(np.rint(min(1.0, max(-1.0, (high - low) / (high + low))) / INDEX_STEP))
