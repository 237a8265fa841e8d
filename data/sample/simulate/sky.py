"""Clouds and their shadows on every date, so laid that every place is seen clearly at least once a season.

The one exception is deliberate: GAP, a few pixels of one zone that no date of one year shows.
"""

import geopandas as gpd
import numpy as np
from scipy.ndimage import shift

from .landscape import GRID_CRS, HEIGHT, PIXEL_M, TRANSFORM, WIDTH
from .noise import fractal_field, stream
from .zones import GEOGRAPHIC

SHADOW, MEDIUM_CLOUD, HIGH_CLOUD, CIRRUS = 3, 8, 9, 10
CLOUD_DEPTH = {CIRRUS: 1.0, MEDIUM_CLOUD: 0.8, HIGH_CLOUD: 0.5}
OPACITY = {CIRRUS: 0.15, MEDIUM_CLOUD: 0.55, HIGH_CLOUD: 0.90}
CLOUD_REFLECTANCE = np.array([0.62, 0.60, 0.58, 0.60, 0.42])
SHADE = 0.45
SHADOW_OFFSET_PX = (-3, -2)
GAP_YEAR, GAP_LON_LAT, GAP_RADIUS_PX = 2021, (109.62, 41.80), 1.5


def clouds(share: float, thickness: np.ndarray) -> np.ndarray:
    """Scene-classification codes of clouds and shadows, 0 where clear; clouds cover the thickest `share` of the grid.

    Cores of high probability, then medium, then a rim of cirrus; the morning sun throws shadows to the north-west.
    """
    code = np.zeros(thickness.shape, dtype="uint8")
    for cloud, depth in CLOUD_DEPTH.items():
        code[thickness > np.quantile(thickness, 1 - share * depth)] = cloud
    shaded = shift(np.isin(code, (MEDIUM_CLOUD, HIGH_CLOUD)), SHADOW_OFFSET_PX, order=0)
    code[shaded & (code == 0)] = SHADOW
    return code


def gap() -> np.ndarray:
    """The few pixels no date of GAP_YEAR shows."""
    centre = gpd.points_from_xy(*([degree] for degree in GAP_LON_LAT), crs=GEOGRAPHIC).to_crs(GRID_CRS)[0]
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    x, y = TRANSFORM.c + (column + 0.5) * PIXEL_M, TRANSFORM.f - (row + 0.5) * PIXEL_M
    return np.hypot(x - centre.x, y - centre.y) < GAP_RADIUS_PX * PIXEL_M


def skies(season: str, cloud_share: list[float]) -> list[np.ndarray]:
    """Cloud and shadow codes of the dates of one season, in order.

    Dates go in pairs that share one field of thickness: the first has its clouds where the field is high, the second
    where it is low, so that no place is under cloud on both. Where shadow meets cloud, the first is cleared.
    """
    codes = []
    for position, share in enumerate(cloud_share):
        thickness = fractal_field((HEIGHT, WIDTH), 5.0, 45, stream("sky", season, position // 2))
        codes.append(clouds(share, -thickness if position % 2 else thickness))
    for first, second in zip(codes[::2], codes[1::2], strict=False):
        first[second > 0] = 0
    if season == str(GAP_YEAR):
        for code in codes:
            code[gap()] = HIGH_CLOUD
    return codes


def through(code: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Reflectance (band, row, column) as it reaches the sensor through the sky: ground veiled by cloud or in shade."""
    seen = np.where(code == SHADOW, SHADE * ground, ground)
    for cloud, opacity in OPACITY.items():
        veiled = ground + opacity * (CLOUD_REFLECTANCE[:, None, None] - ground)
        seen = np.where(code == cloud, veiled, seen)
    return seen
