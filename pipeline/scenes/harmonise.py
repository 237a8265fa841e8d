"""Adjust one sensor's reflectance to another's by published or local coefficients, and fit local ones. Pure.

The adjustment is linear, so it goes into scale and offset of the band and costs no pass over its pixels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.errors import SceneError
from pipeline.frozen import Frozen
from pipeline.scenes.scene import SURFACE_REFLECTANCE, Scene
from pipeline.scenes.sensor_error import U95_UNKNOWN

SHIPPED_ROWS = Path(__file__).with_name("harmonisation.yaml")
"""The published sets, each row with its source."""

MIN_PAIRS = 500
"""Pixels that a local regression needs."""

LEAST_SLOPE = 1e-4
"""Rows have four decimals: a smaller slope would be written as 0."""

NARROW = {"nir": "nir08"}
"""The band used in place of another where coefficients are published only for it: B8A for B08 of Sentinel-2."""


class Row(Frozen):
    """Coefficients of one band: reflectance of ``to`` = slope x reflectance of ``from`` + intercept (unit 1).

    ``from`` is a sensor or a satellite; ``rmse`` (unit 1), ``n`` pixels and ``days`` tell of a local fit. ``u95_ndvi``
    is the 95 % half-width of the NDVI error that all pixels of the adjusted sensor may share.
    """

    set: str
    origin: str = Field(alias="from")
    to: str
    band: str
    slope: float = Field(gt=0)
    intercept: float
    source: str
    status: Literal["published", "local", "unverified"]
    rmse: float | None = None
    n: int | None = None
    days: int | None = None
    u95_ndvi: float = Field(default=U95_UNKNOWN, ge=0)


def harmonised(scene: Scene, rows: tuple[Row, ...], bands: tuple[str, ...]) -> Scene:
    """The scene with ``bands`` adjusted by the rows of its satellite or sensor, and the sensor that it then resembles;
    the scene itself if no row applies to it, or if it holds no reflectance.

    Raises SceneError if a band has no row or two, if rows adjust to several sensors, or if the scene lacks the band of
    a row.
    """
    found = [row for row in rows if row.origin in (scene.platform, scene.sensor)]
    own = {row.band: row for row in found}
    if not own or scene.level != SURFACE_REFLECTANCE:
        return scene
    if len(own) < len(found) or len({row.to for row in found}) > 1:
        raise SceneError(
            f"scene {scene.id}: the file of harmonise has two rows of one band, or two sensors to adjust to, for "
            f"{scene.sensor} {scene.platform}; keep one of the fits"
        )
    adjusted = dict(scene.bands)
    for name in bands:
        source = name if name in own else NARROW.get(name, name)
        if source not in own:
            raise SceneError(f"scene {scene.id}: no harmonisation of {name} of {scene.sensor} is given; add its row")
        if source not in scene.bands:
            raise SceneError(
                f"scene {scene.id} has no {source} (B8A), which its harmonisation is for, and {name} (B08) is another "
                "band; get it, or set harmonise: none"
            )
        adjusted[name] = scene.bands[source].adjusted(own[source].slope, own[source].intercept)
    return replace(
        scene, bands=adjusted, like=next(iter(own.values())).to, like_u95=max(row.u95_ndvi for row in own.values())
    )


def without_scenes(rows: tuple[Row, ...], scenes: list[Scene]) -> str | None:
    """A sentence if the rows apply to none of the scenes; None if they apply to one."""
    origins = {row.origin for row in rows}
    if not rows or any(origins & {scene.platform, scene.sensor} for scene in scenes):
        return None
    return f"harmonise adjusts nothing, no scene is of {', '.join(sorted(origins))}"


@dataclass(frozen=True)
class Regression:
    """Ordinary least squares of y on x: slope, intercept, root mean square error (unit of y), number of pairs."""

    slope: float
    intercept: float
    rmse: float
    n: int


class Pairs:
    """Sums of same-day pairs (x, y) of reflectance, added window by window."""

    def __init__(self) -> None:
        self._sums = np.zeros(6)

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add pairs, float64 arrays of one shape; those with a NaN are left out."""
        both = np.isfinite(x) & np.isfinite(y)
        x, y = x[both], y[both]
        self._sums += [x.size, x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()]

    def regression(self) -> Regression:
        """The fit. Raises ValueError for fewer than `MIN_PAIRS` pairs, none that differ, and a slope that is not above
        0."""
        n, x, y, xx, xy, yy = self._sums.tolist()
        if n < MIN_PAIRS:
            raise ValueError(
                f"{n:.0f} clear pixels of the same day are too few, {MIN_PAIRS} are needed; add scenes of shared days"
            )
        spread = xx - x * x / n
        if spread < 1e-9 * max(xx, 1e-12):
            raise ValueError("all its pixels are alike; add scenes of shared days")
        slope = (xy - x * y / n) / spread
        if slope < LEAST_SLOPE:
            raise ValueError(
                f"one does not rise with the other (slope {slope:.4f}); check that the bands, masks and places of both "
                "are right"
            )
        intercept = (y - slope * x) / n
        residual = yy - y * y / n - slope**2 * spread
        return Regression(slope, intercept, (max(residual, 0.0) / n) ** 0.5, int(n))
