"""Bright sand and saline soil that a product takes for cloud or snow, told from them over the dates of a season. Pure.

Soil looks on its flagged dates as it looks on its clear ones; a cloud never does so for long. So a flagged pixel counts
as clear on a date if it is flagged on most dates of the season, was clear on some, is bright, and has that day the
reflectance of its clear days in both red and near infrared. The limits are expert choices, not published ones.
"""

import numpy as np

from pipeline.compiled import njit
from pipeline.scene import BUFFERED, CLEAR, Stored

MIN_FLAGGED = 3
"""Dates on which the pixel must be flagged, and it must be more than those on which it is clear."""

MIN_RED = 0.15
"""Reflectance of bright soil in red, at least: vegetation and water lie below."""

TOLERANCE = 0.03
"""Reflectance by which a flagged date may differ from the mean of the clear ones, in each band."""


class BrightSoil:
    """What a season shows of each pixel of a tile: first `add` all dates, then `rescue` one by one."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._red, self._nir = np.zeros(shape, "float32"), np.zeros(shape, "float32")
        self._clear, self._flagged = np.zeros(shape, "uint8"), np.zeros(shape, "uint8")

    def add(self, classes: np.ndarray, bands: dict[str, Stored]) -> None:
        """Add a date: its classes before clouds are grown, and its red and near infrared."""
        _add(classes, *bands["red"], *bands["nir"], self._red, self._nir, self._clear, self._flagged)

    def rescue(self, classes: np.ndarray, bands: dict[str, Stored]) -> np.ndarray:
        """The classes of a date with bright soil clear, and no longer to be grown as cloud."""
        found = classes.copy()
        _rescue(found, *bands["red"], *bands["nir"], self._red, self._nir, self._clear, self._flagged)
        return found


@njit(nogil=True, cache=True)
def _add(classes, red, red_scale, red_offset, red_nodata, nir, nir_scale, nir_offset, nir_nodata,
         red_sum, nir_sum, clear, flagged):  # fmt: skip
    for y in range(classes.shape[0]):
        for x in range(classes.shape[1]):
            r, n = red[y, x], nir[y, x]
            if r == red_nodata or n == nir_nodata or r != r or n != n:
                continue
            if classes[y, x] & CLEAR:
                clear[y, x] += 1
                red_sum[y, x] += r * red_scale + red_offset
                nir_sum[y, x] += n * nir_scale + nir_offset
            else:
                flagged[y, x] += 1


@njit(nogil=True, cache=True)
def _rescue(classes, red, red_scale, red_offset, red_nodata, nir, nir_scale, nir_offset, nir_nodata,
            red_sum, nir_sum, clear, flagged):  # fmt: skip
    for y in range(classes.shape[0]):
        for x in range(classes.shape[1]):
            dates = clear[y, x]
            if classes[y, x] & CLEAR or dates == 0 or flagged[y, x] < MIN_FLAGGED or flagged[y, x] <= dates:
                continue
            r, n = red[y, x], nir[y, x]
            if r == red_nodata or n == nir_nodata or r != r or n != n:
                continue
            usual_red, usual_nir = red_sum[y, x] / dates, nir_sum[y, x] / dates
            off_red = abs(r * red_scale + red_offset - usual_red)
            off_nir = abs(n * nir_scale + nir_offset - usual_nir)
            if usual_red >= MIN_RED and off_red <= TOLERANCE and off_nir <= TOLERANCE:
                classes[y, x] = (classes[y, x] | CLEAR) & (255 - BUFFERED)
