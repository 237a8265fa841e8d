"""Bright sand and saline soil that a product flags as cloud or snow: recognised over the dates of a season. Pure.

Soil looks the same on its flagged and on its clear dates; a cloud never does so for long. So a flagged pixel counts as
clear on a date if it is flagged on most dates of the season, was clear on some, is bright, and has on that date the
reflectance of its clear dates in both red and near infrared. The limits are expert choices, not published ones.
"""

import numpy as np

from pipeline.compositing.indices import reflectance_at
from pipeline.execution.compiled import njit
from pipeline.scenes.quality import BUFFERED, CLEAR
from pipeline.scenes.scene import Stored

MIN_FLAGGED = 3
"""Least number of dates on which the pixel is flagged; they must also be more than its clear dates."""

MIN_RED = 0.15
"""Least reflectance of bright soil in red; vegetation and water lie below."""

TOLERANCE = 0.03
"""Reflectance by which a flagged date may differ from the mean of the clear ones, in each band."""


UNSEEN, SEEN_FLAGGED, SEEN_CLEAR = range(3)
"""What the scenes of the day show of a pixel so far."""


class BrightSoil:
    """What a season shows of each pixel of a tile: first `add` all scenes, day by day, then `rescue` one by one."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._red, self._nir = np.zeros(shape, "float32"), np.zeros(shape, "float32")
        self._clear, self._flagged = np.zeros(shape, "uint16"), np.zeros(shape, "uint16")
        self._today = np.full(shape, UNSEEN, "uint8")

    def next_day(self) -> None:
        """Begin a day: overlapping tiles of one day are one date, clear where one of them is and else flagged."""
        self._today[:] = UNSEEN

    def add(self, classes: np.ndarray, bands: dict[str, Stored]) -> None:
        """Add a scene of the day: its classes before clouds are grown, and its red and near infrared."""
        _add(classes, bands["red"], bands["nir"], self._red, self._nir, self._clear, self._flagged, self._today)

    def rescue(self, classes: np.ndarray, bands: dict[str, Stored]) -> np.ndarray:
        """The classes of a scene with bright soil set to clear, and no longer buffered as cloud."""
        found = classes.copy()
        _rescue(found, bands["red"], bands["nir"], self._red, self._nir, self._clear, self._flagged)
        return found


@njit(nogil=True, cache=True)
def _add(classes, red, nir, red_sum, nir_sum, clear, flagged, today):
    for y in range(classes.shape[0]):
        for x in range(classes.shape[1]):
            r, n = reflectance_at(red, y, x), reflectance_at(nir, y, x)
            before = today[y, x]
            if r != r or n != n or before == SEEN_CLEAR:
                continue
            if classes[y, x] & CLEAR:
                clear[y, x] += 1
                red_sum[y, x] += r
                nir_sum[y, x] += n
                flagged[y, x] -= before == SEEN_FLAGGED
                today[y, x] = SEEN_CLEAR
            else:
                flagged[y, x] += before == UNSEEN
                today[y, x] = SEEN_FLAGGED


@njit(nogil=True, cache=True)
def _rescue(classes, red, nir, red_sum, nir_sum, clear, flagged):
    for y in range(classes.shape[0]):
        for x in range(classes.shape[1]):
            dates = clear[y, x]
            if classes[y, x] & CLEAR or dates == 0 or flagged[y, x] < MIN_FLAGGED or flagged[y, x] <= dates:
                continue
            usual_red, usual_nir = red_sum[y, x] / dates, nir_sum[y, x] / dates
            off_red = abs(reflectance_at(red, y, x) - usual_red)
            off_nir = abs(reflectance_at(nir, y, x) - usual_nir)
            # what is missing is NaN, which is within no limit
            if usual_red >= MIN_RED and off_red <= TOLERANCE and off_nir <= TOLERANCE:
                classes[y, x] = (classes[y, x] | CLEAR) & (255 - BUFFERED)
