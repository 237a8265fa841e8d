"""Median and geometric median over the days of a tile, pixel by pixel. Pure.

Both take int16 stacks in steps of 1e-4, INDEX_NODATA where a day has no clear observation; neither depends on the
order of the days but for the last digits of a float.
"""

import numpy as np

from pipeline.execution.compiled import njit
from pipeline.variables import INDEX_NODATA, INDEX_STEP

CLOSE = 1e-8
"""Reflectance: the geometric median is found when a step is shorter. Where the observations lie nearly on a line, as
those of few dates do, steps are short long before."""

MOST_STEPS = 10_000

RELAXED = 1.8
"""What a step of Weiszfeld is lengthened by: from 1 to 2 it converges (Ostresh 1978, Operations Research 26, 597-609),
and so takes half the time."""


@njit(nogil=True, cache=True)
def median_of_days(stack):
    """The median of ``stack`` (days, rows, columns) int16 over its days, (rows, columns) int16: of an even number the
    mean of the middle two, half a step to the even one; nodata where no day has a value.

    A row of pixels is sorted at once, by insertion without a branch: the compiler takes 16 pixels at a time.
    """
    days, height, width = stack.shape
    median = np.full((height, width), INDEX_NODATA, np.int16)
    ranked = np.empty((days, width), np.int16)
    count = np.empty(width, np.int16)
    for y in range(height):
        count[:] = 0
        for day in range(days):
            seen, new = stack[day, y], ranked[day]
            for x in range(width):
                new[x] = seen[x]
                count[x] += seen[x] != INDEX_NODATA
            for place in range(day, 0, -1):
                lower, upper = ranked[place - 1], ranked[place]
                for x in range(width):
                    one, other = lower[x], upper[x]
                    lower[x] = min(one, other)
                    upper[x] = max(one, other)
        for x in range(width):
            if count[x]:  # nodata, the lowest of int16, ranks below
                first = days - count[x]
                low, high = ranked[first + (count[x] - 1) // 2, x], ranked[first + count[x] // 2, x]
                median[y, x] = np.int16(np.rint((np.float64(low) + np.float64(high)) / 2))
    return median


@njit(nogil=True, cache=True, error_model="numpy")
def geometric_median(stack):
    """The reflectance nearest in sum to those of all days (Roberts et al. 2017): argmin_y sum_i |x_i - y|.

    ``stack`` int16 (bands, days, rows, columns); float32 (bands, rows, columns), NaN where no day has all bands.
    Weiszfeld's steps (1937) from the mean, with the mend of Vardi & Zhang (2000) where a step lands on an observation;
    two observations give their mean.
    """
    bands, days, height, width = stack.shape
    medians = np.full((bands, height, width), np.nan, np.float32)
    seen = np.empty((days, bands))
    centre, goal = np.empty(bands), np.empty(bands)
    for y in range(height):
        for x in range(width):
            count = 0
            for day in range(days):
                whole = True
                for band in range(bands):
                    level = stack[band, day, y, x]
                    whole = whole and level != INDEX_NODATA
                    seen[count, band] = level * INDEX_STEP
                count += whole
            if count:
                _weiszfeld(seen, count, centre, goal)
                for band in range(bands):
                    medians[band, y, x] = centre[band]
    return medians


@njit(nogil=True, cache=True, error_model="numpy")
def _weiszfeld(seen, count, centre, goal):
    """Put the geometric median of the first ``count`` of ``seen`` (n, bands) into ``centre``; ``goal`` is work
    space."""
    bands = centre.size
    for band in range(bands):
        total = 0.0
        for i in range(count):
            total += seen[i, band]
        centre[band] = total / count
    if count < 3:
        return
    for _ in range(MOST_STEPS):
        weights, here = 0.0, 0
        goal[:] = 0
        for i in range(count):
            squares = 0.0
            for band in range(bands):
                squares += (seen[i, band] - centre[band]) ** 2
            if squares < (CLOSE * 1e-1) ** 2:
                here += 1
                continue
            weight = 1 / np.sqrt(squares)
            weights += weight
            for band in range(bands):
                goal[band] += seen[i, band] * weight
        move = 0.0
        for band in range(bands):
            goal[band] = goal[band] / weights - centre[band]
            move += goal[band] ** 2
        move = np.sqrt(move)
        pull = move * weights
        if not pull > here:  # the observations that lie here hold the centre; where none does, nothing pulls
            return
        for band in range(bands):
            centre[band] += RELAXED * goal[band] * (1 - here / pull)
        if RELAXED * move * (1 - here / pull) < CLOSE:
            return
