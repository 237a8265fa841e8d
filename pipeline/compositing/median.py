"""Median and geometric median over the days of a tile, pixel by pixel. Pure.

Both take int16 stacks in steps of 1e-4, INDEX_NODATA where a day has no clear observation; the order of the days
changes at most the last digits of a float.
"""

import numpy as np

from pipeline.execution.compiled import njit
from pipeline.variables import INDEX_NODATA, INDEX_STEP

CLOSE = 1e-2
"""In steps of 1e-4: the geometric median is found when Newton's next step is shorter; the error left is smaller
still."""

TOUCHING = 1e-6
"""In steps of 1e-4: if the centre is nearer to an observation than this, it lies on it."""

ROUNDING = 1e-13
"""Rounding error of unit vectors that sum to zero."""

FLAT = 1e-14
"""Singular, but for rounding, is a curvature whose determinant is below this times the product of its diagonal."""

MOST_MOVES = 1000
"""Limit of Newton's steps: three or four are usual, fourteen were the most on real pixels."""


@njit(nogil=True, cache=True)
def median_of_days(stack):
    """The median of ``stack`` (days, rows, columns) int16 over its days, (rows, columns) int16: of an even number the
    mean of the middle two, with half steps rounded to even; nodata where no day has a value.

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
    """The reflectance with the smallest sum of distances to those of all days (Roberts et al. 2017): argmin_y sum_i
    |x_i - y|.

    ``stack`` int16 (bands, days, rows, columns), three bands at most; float32 (bands, rows, columns), NaN where no day
    has all bands. Two observations give their mean.
    """
    bands, days, height, width = stack.shape
    if bands > 3:
        raise ValueError("a geometric median takes three bands at most")
    medians = np.full((bands, height, width), np.nan, np.float32)
    seen, distances = np.zeros((3, days)), np.empty(days)
    for y in range(height):
        for x in range(width):
            count = 0
            for day in range(days):
                whole = True
                for band in range(bands):
                    level = stack[band, day, y, x]
                    whole = whole and level != INDEX_NODATA
                    seen[band, count] = level
                count += whole
            if count:
                centre = _nearest_in_sum(seen[:, :count], distances[:count])
                for band in range(bands):
                    medians[band, y, x] = centre[band] * INDEX_STEP
    return medians


@njit(nogil=True, cache=True, error_model="numpy")
def _nearest_in_sum(seen, distances):
    """The geometric median of ``seen`` (3, n); ``distances`` (n) is work space. All in steps of 1e-4.

    Newton's method, starting from the mean (Overton 1983, Mathematical Programming 27, 34-63). Weiszfeld's (1937) would
    take thousands of steps where the observations lie nearly on a line, as those of few dates do; it is used only where
    all lie on one line, which has no curvature. If the centre lies on an observation, it leaves along the pull of the
    others if that is stronger than the observations that lie there (Vardi & Zhang 2000), with Newton's step length on
    that line. Every step must lessen the sum of distances: otherwise the nearest observation is tried, which may be the
    median, and then halves of the step.
    """
    count = distances.size
    centre = (seen[0].sum() / count, seen[1].sum() / count, seen[2].sum() / count)
    if count < 3:
        return centre
    total = _sum_of_distances(seen, centre, distances)
    for _ in range(MOST_MOVES):
        here, nearest, weights, pull, curvature = _pull_and_curvature(seen, centre, distances)
        strength = _length(pull)
        if strength <= here + ROUNDING:  # those that lie here hold the centre; where none does, nothing pulls
            return centre
        scale, move = (1 - here / strength) / weights, pull
        curved, newton = _solve(curvature, pull)
        if here:
            scale *= weights / max(_along(curvature, pull) / strength**2, FLAT * weights)
        elif curved:
            scale, move = 1.0, newton
            # nearer to an observation than that the curvature is another at the end of the move
            if _length(move) < min(CLOSE, distances[nearest] / 10):
                return _moved(centre, move, scale)
        before, centre = centre, _moved(centre, move, scale)
        new_total = _sum_of_distances(seen, centre, distances)
        if not new_total < total:
            centre = (seen[0, nearest], seen[1, nearest], seen[2, nearest])
            new_total = _sum_of_distances(seen, centre, distances)
        while not new_total < total:
            scale /= 2
            if scale * _length(move) < TOUCHING:
                return before
            centre = _moved(before, move, scale)
            new_total = _sum_of_distances(seen, centre, distances)
        total = new_total
    return centre


@njit(nogil=True, cache=True, error_model="numpy")
def _pull_and_curvature(seen, centre, distances):
    """How many of ``seen`` lie at the centre, which is nearest, and of those that do not lie there: the sum of weights
    1 / d; the pull sum u, with u the unit vector to each, which is minus the gradient of the sum of distances; and its
    curvature sum (1 - u u') / d, as xx, yy, zz, xy, xz, yz."""
    x, y, z = centre
    here = nearest = 0
    weights = px = py = pz = xx = yy = zz = xy = xz = yz = 0.0
    for i in range(distances.size):
        if distances[i] < distances[nearest]:
            nearest = i
        if distances[i] < TOUCHING:
            here += 1
            continue
        weight = 1 / distances[i]
        ux, uy, uz = (seen[0, i] - x) * weight, (seen[1, i] - y) * weight, (seen[2, i] - z) * weight
        weights += weight
        px, py, pz = px + ux, py + uy, pz + uz
        xx, yy, zz = xx + weight * (1 - ux * ux), yy + weight * (1 - uy * uy), zz + weight * (1 - uz * uz)
        xy, xz, yz = xy - weight * ux * uy, xz - weight * ux * uz, yz - weight * uy * uz
    return here, nearest, weights, (px, py, pz), (xx, yy, zz, xy, xz, yz)


@njit(nogil=True, cache=True, error_model="numpy")
def _solve(curvature, pull):
    """Whether ``curvature`` has an inverse, and by that (adjugate over determinant) Newton's move."""
    xx, yy, zz, xy, xz, yz = curvature
    px, py, pz = pull
    ax, ay, az = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    by, bz, cz = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    determinant = xx * ax + xy * ay + xz * az
    adjugate = (ax * px + ay * py + az * pz, ay * px + by * py + bz * pz, az * px + bz * py + cz * pz)
    return determinant > FLAT * xx * yy * zz, _moved((0.0, 0.0, 0.0), adjugate, 1 / determinant)


@njit(nogil=True, cache=True)
def _along(curvature, way):
    """w' C w."""
    xx, yy, zz, xy, xz, yz = curvature
    x, y, z = way
    return xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z)


@njit(nogil=True, cache=True)
def _length(vector):
    return np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)


@njit(nogil=True, cache=True)
def _moved(place, move, scale):
    return (place[0] + scale * move[0], place[1] + scale * move[1], place[2] + scale * move[2])


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_of_distances(seen, centre, distances):
    """The sum of the distances of all ``seen`` from ``centre``; they are stored in ``distances``."""
    x, y, z = centre
    for i in range(distances.size):
        distances[i] = np.sqrt((seen[0, i] - x) ** 2 + (seen[1, i] - y) ** 2 + (seen[2, i] - z) ** 2)
    total = 0.0
    for i in range(distances.size):
        total += distances[i]
    return total
