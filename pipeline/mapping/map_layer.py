"""A raster of a zone, and the values of its pixels, one window at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from pipeline.blocks import pixel_box
from pipeline.carbon import CO2_PER_C, stock_difference
from pipeline.compositing.cube import Cube, Window
from pipeline.ecosystems.rows import Z95
from pipeline.mapping.zone_pixels import mean_of_years, open_water, places
from pipeline.stock.sketch import INDEX
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.uncertainty.pixel_error import IndexErrors, StandErrors
from pipeline.variables import INDEX_NODATA, VARIABLES
from pipeline.zones.coverage import coverage_fractions

DRY = np.ones_like(INDEX)
"""1 at every index level: its mean over the years, with open water as 0, is the share of years without open water."""

STANDARD_ERROR = "标准误 standard error"
DETECTABLE = "可检出变化（95%）detectable change (95 %)"

WITH_ERROR = {"carbon_stock": (STANDARD_ERROR,), "sink": (STANDARD_ERROR, DETECTABLE)}
"""Variables whose raster has further bands, and what these hold."""


@dataclass(frozen=True)
class MapLayer:
    """One raster of a zone: a variable over a period; a sink compares with ``baseline``. Raises ValueError for a sink
    with one period only, since a stock is not a flux."""

    variable: str
    period: Period
    baseline: Period | None = None

    def __post_init__(self) -> None:
        if (self.variable == "sink") != (self.baseline is not None):
            raise ValueError(f"{self.variable}: a sink is the difference of two stocks, nothing else has a baseline")

    @property
    def periods(self) -> list[Period]:
        return [period for period in (self.baseline, self.period) if period]

    @property
    def years(self) -> list[int]:
        return sorted({year for period in self.periods for year in period.years})

    @property
    def label(self) -> str:
        return f"{self.baseline.label}_{self.period.label}" if self.baseline else self.period.label


class Strip:
    """The pixels of one window of a zone, and the values of any layer on them.

    ``index``, ``clear`` and ``water`` (years, rows, columns) are stored index, clear count and open water; ``mosaic``
    the `PARTS` of the fractions where shrub grows in the zone.
    """

    def __init__(self, model: ZoneModel, grid: GeoBox, fractions: np.ndarray, years: list[int],
                 index: np.ndarray, clear: np.ndarray, water: np.ndarray,
                 mosaic: np.ndarray | None = None) -> None:  # fmt: skip
        self._model, self._grid, self._fractions = model, grid, fractions
        self._years, self._index, self._clear, self._water = years, index, clear, water
        self._stand_fractions: list | None = None
        has_shrub = mosaic is not None and mosaic[1:].any()
        self._parts = mosaic / np.maximum(fractions, np.float32(1e-9)) if has_shrub else None

    def values(self, layer: MapLayer) -> np.ndarray:
        """float32 values of a layer, NaN outside the zone and where nothing is known."""
        if layer.variable == "sink":
            then, now = (self._quantity("carbon_stock", period) for period in layer.periods)
            return stock_difference(then, now, self._model.years_between(layer.baseline, layer.period))
        if layer.variable == "clear_count":
            count = self._clear[places(layer.period.years, self._years)].sum(axis=0, dtype="float32")
            count[self._fractions == 0] = np.nan
            return count
        if layer.variable == "water_occurrence":
            return 1 - self._mean(DRY, layer.period)
        return self._quantity(layer.variable, layer.period)

    def standard_error(self, layer: MapLayer, errors: IndexErrors | StandErrors) -> np.ndarray:
        """float32 standard error of a stock or a sink, NaN where that is NaN."""
        if isinstance(errors, StandErrors):
            return self._by_stand(errors.of(*(period.label for period in layer.periods)))
        return self._error(layer, errors, [errors.factor, *errors.shared])

    def detectable_change(self, layer: MapLayer, errors: IndexErrors | StandErrors) -> np.ndarray:
        """float32: the least sink, of either sign, that can be told from no change (95 %). NaN where the sink is NaN;
        held within the valid range of a sink."""
        if isinstance(errors, StandErrors):
            values = self._by_stand(errors.detectable(*(period.label for period in layer.periods)))
        else:
            values = np.float32(Z95) * self._error(layer, errors, errors.shared)
        return np.minimum(values, np.float32(VARIABLES[layer.variable].valid[1]))

    def _error(self, layer: MapLayer, errors: IndexErrors, shared: Sequence[np.ndarray]) -> np.ndarray:
        """Standard error of a stock or sink from the tables that are ``shared`` by all dates, the sensors, and the own
        errors of the years: the root of the sum of their variances."""
        parts = [[self._mean(table, period) for table in (*shared, errors.own)] for period in layer.periods]
        variance = np.zeros(self._grid.shape, "float32")
        for period, (*_, own) in zip(layer.periods, parts, strict=True):
            seen = (self._index[places(period.years, self._years)] != INDEX_NODATA).sum(axis=0, dtype="float32")
            variance += own / np.maximum(seen, 1)
        dates = list(zip(*parts, strict=True))[:-1]
        dates += [[self._of_sensor(errors, u95s, period) for period in layer.periods] for u95s in errors.sensors]
        for of_date in dates:
            variance += (of_date[-1] - of_date[0] if layer.baseline else of_date[0]) ** 2
        error = np.sqrt(variance)
        if layer.baseline:
            error *= np.float32(CO2_PER_C / self._model.years_between(layer.baseline, layer.period))
        return error

    def _of_sensor(self, errors: IndexErrors, u95s: dict[int, float], period: Period) -> np.ndarray:
        """Change of the mean stock of a period by one standard deviation of the error of an adjusted sensor."""
        share = self._model.weights(period.years) @ [u95s.get(year, 0.0) for year in period.years]
        return self._mean(errors.by_index, period) * np.float32(share)

    def _quantity(self, name: str, period: Period) -> np.ndarray:
        if self._model.stands and name in ("agb", "carbon_stock"):
            return self._by_stand(self._model.stand_density(period)[name])
        if name == self._model.index:
            return self._mean(INDEX, period, dry_only=False)
        return self._mean(self._model.responses[name], period)

    def _mean(self, table: np.ndarray, period: Period, dry_only: bool = True) -> np.ndarray:
        """Mean over the years of a period of a quantity per index level (20001,). A quantity for each of the `PARTS`
        (3, ..., 20001) is averaged part by part, and summed by what each part has of the pixel."""
        if table.ndim == 1:
            here = places(period.years, self._years)
            return mean_of_years(self._index[here], self._water[here], table, dry_only, self._fractions)
        if self._parts is None:
            return self._mean(table[0], period)
        return sum(part * self._mean(each, period) for part, each in zip(self._parts, table, strict=True) if each.any())

    def _by_stand(self, density: np.ndarray) -> np.ndarray:
        """Density per ha of the zone: stands count by their covered fraction, ground between them is 0."""
        total = np.zeros(self._grid.shape, "float32")
        for fraction, value in zip(self._stands_here(), density, strict=True):
            if fraction is not None:
                window, part = fraction
                total[window] += part * np.float32(value)
        with np.errstate(invalid="ignore"):
            return total / np.where(self._fractions > 0, self._fractions, np.float32(np.nan))

    def _stands_here(self) -> list:
        """(window, covered fractions) of each stand that reaches into the strip, else None."""
        if self._stand_fractions is None:
            self._stand_fractions = []
            for polygon in self._model.stands.geometry:
                window = pixel_box(self._grid, polygon)
                reaches = all(part.stop > part.start for part in window)
                self._stand_fractions.append(
                    (window, coverage_fractions(self._grid[window], polygon)) if reaches else None
                )
        return self._stand_fractions


def layers_of_years(
    cube: Cube, years: Sequence[int], window: Window, index: str, min_water_share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(stored index, clear count, open water) of years of the cube, (years, rows, columns) each. Raises OSError if a
    layer does not exist."""
    stored, clear, water = (cube.read_years(years, name, window) for name in (index, "clear_count", "water_count"))
    return stored, clear, open_water(clear, water, min_water_share)
