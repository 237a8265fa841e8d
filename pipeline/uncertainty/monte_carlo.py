"""Monte Carlo of totals: seeded draws shared by source, intervals, and the share of each cause. Pure.

Approach 2 of IPCC 2006 V1 ch. 3. Every source of error has a name, and the draws of a name are always the same. So a
coefficient that several zones and years share has the same error in all of them: a difference does not get the errors
of both its stocks, and a sum does not average away an error that all its parts have in common.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from scipy.special import betaincinv, ndtr, ndtri

from pipeline.ecosystems.rows import Z95, AnyCoefficient


@dataclass(frozen=True)
class Draws:
    """Standard normal numbers (count,) by the name of their source, the same on every worker and in any order.

    A smaller ``count`` of the same seed gives the beginning of the same draws.
    """

    seed: int
    count: int

    def of(self, *name: object) -> np.ndarray:
        """The draws of a source, such as ("grassland", "carbon_fraction")."""
        digest = hashlib.sha256(repr((self.seed, *name)).encode()).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16]))).standard_normal(self.count)


def drawn(row: AnyCoefficient, normal: np.ndarray) -> np.ndarray:
    """Draws of a coefficient from standard normal numbers, any shape; for a table or polynomial, draws of its factor:
    the present factor times draws around 1.

    The mean is the row's value and 1.96 standard deviations its half-width, but for ``truncated_normal``, which
    the valid range cuts, ``triangular``, which holds 95 % within its half-width, and ``split_lognormal`` with its own
    spread on either side of the median, (n,) numbers giving (bins, n) factors: 2.5 % lie below each range, 2.5 % above.
    """
    return row.factor * _around(row, normal)


def _around(row: AnyCoefficient, normal: np.ndarray) -> np.ndarray:
    if row.distribution == "split_lognormal":
        low, high = (np.log(end / np.array(row.values))[:, None] for end in np.transpose(row.ranges))
        steps = np.atleast_1d(normal) / Z95
        return np.exp(np.where(steps < 0, -low, high) * steps)
    centre, sigma = row.central, row.half_width / Z95
    match row.distribution:
        case "fixed":
            return np.full(np.shape(normal), centre)
        case "normal":
            return centre + sigma * normal
        case "lognormal":
            spread = np.log1p((sigma / centre) ** 2)
            return centre * np.exp(np.sqrt(spread) * normal - spread / 2)
        case "truncated_normal":
            low, high = (ndtr((bound - centre) / sigma) for bound in row.valid)
            return centre + sigma * ndtri(low + (high - low) * ndtr(normal))
        case "beta":
            low, high = row.valid
            mean, variance = (centre - low) / (high - low), (sigma / (high - low)) ** 2
            size = mean * (1 - mean) / variance - 1
            return low + (high - low) * betaincinv(mean * size, (1 - mean) * size, ndtr(normal))
        case "triangular":
            reach = row.half_width / (1 - np.sqrt(0.05))
            p = ndtr(normal)
            return centre + reach * np.where(p < 0.5, np.sqrt(2 * p) - 1, 1 - np.sqrt(2 * (1 - p)))


@lru_cache(maxsize=1024)
def mean_correlation(geometry: shapely.Geometry, length_m: float, pairs: int = 20_000) -> float:
    """Mean correlation of the errors at two points of an area, 1 for one that is small against ``length_m``.

    With rho(d) = exp(-3 d / length), ``length_m`` the practical range, the variance of an area's mean is this times
    that of a point; dividing by the number of pixels instead would take neighbours for independent. ``geometry`` in
    metres. In an area wider than rho reaches, the integral of rho around each point is taken at offsets drawn in
    proportion to rho: of pairs of points taken at random, hardly any would be near each other.
    """
    if length_m <= 0:
        return 0.0
    shapely.prepare(geometry)
    rng = np.random.default_rng(1)
    points = _points_inside(geometry, pairs, rng)
    reach_m2 = 2 * np.pi * (length_m / 3) ** 2
    if geometry.area < reach_m2:
        apart = np.hypot(*(points - rng.permutation(points)).T)
        return float(np.exp(-3 * apart / length_m).mean())
    far = rng.gamma(2, length_m / 3, len(points))
    angle = rng.uniform(0, 2 * np.pi, len(points))
    there = points + np.stack([far * np.cos(angle), far * np.sin(angle)], axis=1)
    inside = shapely.contains_xy(geometry, there[:, 0], there[:, 1]).mean()
    return float(min(1.0, inside * reach_m2 / geometry.area))


def _points_inside(geometry: shapely.Geometry, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random points, uniform over the polygons of the geometry, (count, 2), however thin these are: each in a triangle
    that is drawn in proportion to its area."""
    triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(geometry))
    corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
    areas = shapely.area(triangles)
    a, b, c = corners[rng.choice(len(corners), count, p=areas / areas.sum())].transpose(1, 0, 2)
    u, v = rng.uniform(size=(2, count, 1))
    beyond = u + v > 1  # in the other half of the parallelogram
    u, v = np.where(beyond, 1 - u, u), np.where(beyond, 1 - v, v)
    return a + u * (b - a) + v * (c - a)


@dataclass(frozen=True)
class Interval:
    """Summary of the draws of a quantity, in its unit: mean, median and percentiles; 2.5 to 97.5 is the 95 % interval.
    ``p5`` is the conservative value: the lower end of the 90 % interval, with the true value below it with a chance of
    5 %."""

    mean: float
    median: float
    p2_5: float
    p5: float
    p95: float
    p97_5: float


def interval(draws: np.ndarray) -> Interval:
    """Mean, median and percentiles of draws (n,)."""
    return Interval(float(draws.mean()), *np.percentile(draws, [50, 2.5, 5, 95, 97.5]).tolist())


def variance_shares(by_cause: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Share of each cause in the variance, adding up to 1, from draws in which that cause alone varies, (n,) each.

    Joint effects of several causes are spread over them in proportion. Without any variance all shares are 0.
    """
    # from the first draw on: the mean of equal numbers is rounded and leaves them a variance
    variances = {cause: float(np.var(draws - draws[0])) for cause, draws in by_cause.items()}
    total = sum(variances.values())
    return {cause: variance / total if total > 0 else 0.0 for cause, variance in variances.items()}
