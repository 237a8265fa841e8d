"""The error that adjusting a sensor to another (`harmonise`) leaves in the index of a year. Pure.

The coefficients are the same for every pixel and year, so their error belongs to the sensor: it averages out neither
over a zone nor over years, and it affects a change if the sensor's share differs between the two periods.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.ecosystems.rows import Z95

U95_UNKNOWN = 0.03
"""95 % half-width of an adjusted NDVI if the rows do not give it (expert judgement, as for Roy et al. 2016)."""

RED, NIR = 0.10, 0.30
"""Reflectance of sparse summer vegetation, at which errors of the bands are carried over to NDVI."""


@dataclass(frozen=True)
class SensorError:
    """95 % half-width ``u95`` (index units) of the error that the adjustment of ``sensor`` leaves in the composites of
    ``year``; 0 in a year without the sensor."""

    sensor: str
    year: int
    u95: float


def sensor_errors(scenes: Sequence[tuple[int, str, float]], years: Collection[int]) -> tuple[SensorError, ...]:
    """The errors of each adjusted sensor in each of ``years``, from (year, sensor, half-width) of all scenes, 0 where
    a scene is not adjusted. A sensor counts by its share of the year's scenes, since a composite does not tell which of
    them a pixel is from."""
    adjusted = sorted({sensor for _, sensor, u95 in scenes if u95})
    return tuple(SensorError(sensor, year, _of_year(scenes, sensor, year)) for sensor in adjusted for year in years)


def _of_year(scenes: Sequence[tuple[int, str, float]], sensor: str, year: int) -> float:
    of_year = [u95 if name == sensor else 0.0 for scene_year, name, u95 in scenes if scene_year == year]
    return sum(of_year) / len(of_year) if of_year else 0.0


def ndvi_u95(red_rmse: float, nir_rmse: float, days: int) -> float:
    """95 % half-width of NDVI after a local fit, from the RMSE of its bands (reflectance, unit 1) on ``days`` days:

        1.96 x 2 sqrt((NIR s_red)^2 + (RED s_nir)^2) / (NIR + RED)^2,   s = RMSE / sqrt(days)

    The pixels of one day share atmosphere and view, so a day counts as one observation, however many pixels it has;
    the RMSE of a pixel is then an upper bound for what they share.
    """
    spread = 2 * ((NIR * red_rmse) ** 2 + (RED * nir_rmse) ** 2) ** 0.5 / (NIR + RED) ** 2
    return Z95 * spread / days**0.5
