"""How far outlines are shifted against a reference boundary, and whether that is the shift of web maps (GCJ-02). Pure.

Web maps of China show places some 100 to 700 m away from where they are, by a formula that varies with the place. Zones
that were traced on such a map do not match any scene.
"""

from dataclasses import dataclass

import numpy as np
import shapely

NEAR_M = 1500
"""Points of the outlines farther from the reference than this do not belong to it."""

MIN_POINTS = 30
STEP_M = 250
"""Spacing of the points that the outlines are compared at."""


@dataclass(frozen=True)
class Shift:
    """Offset of outlines from a reference: metres to the east and north, and the median distance of the compared points
    from the reference before and after removing it; ``gcj02_m`` is the shift of web maps there."""

    east_m: float
    north_m: float
    distance_m: float
    distance_after_m: float
    gcj02_m: tuple[float, float]
    points: int

    @property
    def length_m(self) -> float:
        return float(np.hypot(self.east_m, self.north_m))

    @property
    def is_gcj02(self) -> bool:
        """Whether the offset is that of web maps, within a third of it, and explains the distance."""
        off = np.hypot(self.east_m - self.gcj02_m[0], self.north_m - self.gcj02_m[1])
        return bool(off < np.hypot(*self.gcj02_m) / 3 and self.distance_after_m < 0.5 * self.distance_m)


def measured_shift(outlines: shapely.Geometry, reference: shapely.Geometry, place: tuple[float, float]) -> Shift | None:
    """The offset of ``outlines`` from ``reference`` (lines in a local CRS in metres) at ``place`` (longitude,
    latitude); None where too few points run along the reference.

    Each point pulls along the normal of the reference's nearest edge (point-to-line ICP, Chen & Medioni 1992): a
    straight edge shows no shift along itself.
    """
    points = shapely.get_coordinates(shapely.segmentize(shapely.simplify(outlines, 20), STEP_M))
    offset = np.zeros(2)
    for _ in range(20):
        near, gap, distance = _gaps(points - offset, reference)
        if near.sum() < MIN_POINTS:
            return None
        normal = gap[near] / np.maximum(distance[near, None], 1e-9)
        # a share of the points lies on edges that the reference does not have: the nearer half decides
        trusted = distance[near] <= np.median(distance[near])
        weights = np.where(trusted, 1.0, 0.2)[:, None]
        step, *_ = np.linalg.lstsq(normal * weights, (distance[near] * weights[:, 0]), rcond=None)
        offset += step
        if np.hypot(*step) < 0.5:
            break
    _, _, before = _gaps(points, reference)
    return Shift(
        *offset,
        distance_m=float(np.median(before[near])),
        distance_after_m=float(np.median(distance[near])),
        gcj02_m=gcj02_shift_m(*place),
        points=int(near.sum()),
    )


def _gaps(points: np.ndarray, reference: shapely.Geometry) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(which points are near, vector from the reference's nearest place to each point, its length in m)."""
    nearest = shapely.get_coordinates(shapely.shortest_line(reference, shapely.points(points)))[::2]
    gap = points - nearest
    distance = np.hypot(*gap.T)
    return distance < NEAR_M, gap, distance


def gcj02_shift_m(longitude: float, latitude: float) -> tuple[float, float]:
    """Shift of GCJ-02 against WGS 84 at a place in China, metres to the east and north.

    The public reverse-engineered formula ("eviltransform", 2013): polynomials and sines around 105 E, 35 N.
    """
    x, y = longitude - 105.0, latitude - 35.0

    def waves(*terms: tuple[float, float]) -> float:
        return sum(amplitude * np.sin(angle * np.pi) for amplitude, angle in terms) * 2 / 3

    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(abs(x))
    north += waves((20, 6 * x), (20, 2 * x), (20, y), (40, y / 3), (160, y / 12), (320, y / 30))
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(abs(x))
    east += waves((20, 6 * x), (20, 2 * x), (20, x), (40, x / 3), (150, x / 12), (300, x / 30))
    # the formula's metres become degrees on Krassowsky's ellipsoid; back on that of CGCS2000 they differ by 0.002 %
    return float(east), float(north)
