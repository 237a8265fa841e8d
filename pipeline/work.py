"""The units of work on zones, each run by one worker: a zone's sketch, a zone's maps.

A unit carries plain values, writes its own result and, last, its completion mark; it returns little.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from pipeline.blocks import pixel_box
from pipeline.carbon import CO2_PER_C, stock_difference
from pipeline.coverage import coverage_fractions
from pipeline.cube import Cube, Tile, Window
from pipeline.encoding import encode
from pipeline.errors import ZoneError
from pipeline.outputs.cog import CogWriter
from pipeline.pixel_error import IndexErrors, StandErrors, index_errors, stand_errors
from pipeline.provenance import Marks
from pipeline.shrub_ground import ShrubGround, forget_mosaic, keep_mosaic, kept_mosaic
from pipeline.sketch import INDEX
from pipeline.sketch_file import save_sketches
from pipeline.uncertainty import Z95
from pipeline.variables import INDEX_NODATA, VARIABLES
from pipeline.varying import Settings
from pipeline.zone import Zone
from pipeline.zone_coverage import zone_windows
from pipeline.zone_model import Period, ZoneModel
from pipeline.zone_pixels import SketchBuilder, mean_of_years, open_water


@dataclass(frozen=True)
class ZoneSketches:
    """Sketches of one zone for all years and periods."""

    cube: Cube
    tiles: tuple[Tile, ...]
    zone: Zone
    index: str
    periods: tuple[Period, ...]
    min_water_share: float
    path: Path
    marks: Marks
    key: dict[str, str]
    shrub: ShrubGround | None = None

    @property
    def name(self) -> str:
        return f"sketch-{self.path.stem}"

    @property
    def writes_to(self) -> Path:
        return self.path


def sketch_zone(unit: ZoneSketches) -> None:
    """Write the zone's sketches, labelled by year or period."""
    builders = {period.label: SketchBuilder() for period in unit.periods}
    years = sorted({year for period in unit.periods for year in period.years})
    unit.marks.take_back(unit.name)
    forget_mosaic(unit.cube, unit.path.stem)
    for window in zone_windows(unit.cube, unit.tiles, unit.zone.geometry):
        fractions = unit.cube.read_coverage(unit.path.stem, window)
        mosaic = unit.shrub and unit.shrub.mosaic(unit.cube.grid[window], fractions)
        if mosaic is not None:
            keep_mosaic(unit.cube, unit.path.stem, window, mosaic)
        layers = layers_of_years(unit.cube, years, window, unit.index, unit.min_water_share)
        for period in unit.periods:
            index, clear, water = (layer[places(period.years, years)] for layer in layers)
            builders[period.label].add(fractions, index, clear.sum(axis=0, dtype="uint16"), water, mosaic)
    save_sketches(unit.path, {label: builder.sketch() for label, builder in builders.items()})
    unit.marks.write(unit.name, unit.key, unit.path)


DRY = np.ones_like(INDEX)
"""What of a pixel is no open water, per index level: its mean leaves open water out."""

STANDARD_ERROR = "标准误 standard error"
DETECTABLE = "可检出变化(95%) detectable change (95 %)"

WITH_ERROR = {"carbon_stock": (STANDARD_ERROR,), "sink": (STANDARD_ERROR, DETECTABLE)}
"""Variables whose raster has further bands, and what these hold."""


@dataclass(frozen=True)
class MapLayer:
    """One raster of a zone: a variable over a period; a sink compares with ``baseline``. Raises ValueError for a sink
    of one period: a stock is no flux."""

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


@dataclass(frozen=True)
class ZoneMaps:
    """Maps of one zone: ``layers`` with the keys of their marks; ``coverage`` names its fractions in the cube."""

    cube: Cube
    tiles: tuple[Tile, ...]
    model: ZoneModel
    coverage: str
    layers: dict[MapLayer, dict[str, str]]
    folder: Path
    description: str
    marks: Marks
    errors: Settings | None = None
    """Of the draws by which the standard errors are worked out, None for rasters without."""

    @property
    def writes_to(self) -> Path:
        return self.folder

    def path(self, layer: MapLayer) -> Path:
        return self.folder / f"{self.model.zone.id}_{layer.variable}_{layer.label}.tif"

    def mark(self, layer: MapLayer) -> str:
        """Name of the layer's mark; a year mapped on its own has other paths, and so other marks."""
        return f"map-{self.folder.parent.parent.name}-{self.path(layer).stem}"


def map_zone(unit: ZoneMaps) -> None:
    """Write the zone's rasters, a tile at a time; the memory does not grow with the zone."""
    zone, grid = unit.model.zone, unit.cube.grid
    unit.folder.mkdir(parents=True, exist_ok=True)
    for layer in unit.layers:
        unit.marks.take_back(unit.mark(layer))
    box = pixel_box(grid, zone.geometry)
    errors = _errors(unit)
    with ExitStack() as stack:
        writers = {
            layer: stack.enter_context(
                CogWriter(unit.path(layer), grid[box], VARIABLES[layer.variable],
                          f"{zone.id} {VARIABLES[layer.variable].long_name_zh} {layer.label}",
                          {"ZONE": zone.id, "PERIOD": layer.label, "NOTE": unit.description},
                          further=WITH_ERROR.get(layer.variable, ()) if unit.errors else ())
            )
            for layer in unit.layers
        }  # fmt: skip
        years = sorted({year for layer in unit.layers for year in layer.years})
        for window in zone_windows(unit.cube, unit.tiles, zone.geometry):
            fractions = unit.cube.read_coverage(unit.coverage, window)
            if not fractions.any():
                continue
            index, share = unit.model.index, unit.model.ecosystem.min_water_share
            layers = layers_of_years(unit.cube, years, window, index, share)
            mosaic = kept_mosaic(unit.cube, unit.coverage, window) if unit.model.shrub else None
            strip = Strip(unit.model, grid[window], fractions, years, *layers, mosaic)
            place = window[0].start - box[0].start, window[1].start - box[1].start
            for layer, writer in writers.items():
                writer.write(_encoded(zone.id, layer, strip.values(layer)), *place)
                if errors and layer.variable in WITH_ERROR:
                    further = [strip.standard_error(layer, errors)]
                    further += [strip.detectable_change(layer, errors)] if layer.baseline else []
                    for band, values in enumerate(further, start=2):
                        writer.write(_encoded(zone.id, layer, values), *place, band=band)
    for layer, key in unit.layers.items():
        unit.marks.write(unit.mark(layer), key, unit.path(layer))


def _errors(unit: ZoneMaps) -> IndexErrors | StandErrors | None:
    """What the standard errors of the zone's pixels are worked out from."""
    if unit.errors is None or not any(layer.variable in WITH_ERROR for layer in unit.layers):
        return None
    if unit.model.stands:
        return stand_errors(unit.model, unit.errors, [p for layer in unit.layers for p in layer.periods])
    return index_errors(unit.model)


def _encoded(zone: str, layer: MapLayer, values: np.ndarray) -> np.ndarray:
    try:
        return encode(VARIABLES[layer.variable], values)
    except ValueError as error:
        raise ZoneError(f"zone {zone}: {error}; check the coefficients and the stand volumes (m3/ha)") from error


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
            then, now = (self._quantity("carbon_stock", period) for period in (layer.baseline, layer.period))
            values = stock_difference(then, now, self._model.years_between(layer.baseline, layer.period))
        elif layer.variable == "clear_count":
            values = self._clear[places(layer.period.years, self._years)].sum(axis=0, dtype="float32")
            values[self._fractions == 0] = np.nan
        elif layer.variable == "water_occurrence":
            values = 1 - self._mean(DRY, layer.period)
        else:
            values = self._quantity(layer.variable, layer.period)
        return values

    def standard_error(self, layer: MapLayer, errors: IndexErrors | StandErrors) -> np.ndarray:
        """float32 standard error of a stock or a sink, NaN where that is NaN."""
        if isinstance(errors, StandErrors):
            values = self._by_stand(errors.of(*(period.label for period in layer.periods)))
        else:
            values = self._error(layer, errors, [errors.factor, *errors.shared])
        return values

    def detectable_change(self, layer: MapLayer, errors: IndexErrors | StandErrors) -> np.ndarray:
        """float32 sink, of either sign, from which on a pixel's change can be told from none (95 %), NaN where the sink
        is NaN; no more than a sink can be."""
        if isinstance(errors, StandErrors):
            values = self._by_stand(errors.detectable(*(period.label for period in layer.periods)))
        else:
            values = np.float32(Z95) * self._error(layer, errors, errors.shared)
        return np.minimum(values, np.float32(VARIABLES[layer.variable].valid[1]))

    def _error(self, layer: MapLayer, errors: IndexErrors, shared: Sequence[np.ndarray]) -> np.ndarray:
        """Root of what the tables ``shared`` by the dates, and the own errors of the years, come to."""
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
        """What one standard deviation of the error of an adjusted sensor does to the mean stock of a period."""
        share = self._model.weights(period.years) @ [u95s.get(year, 0.0) for year in period.years]
        return self._mean(errors.by_index, period) * np.float32(share)

    def _quantity(self, name: str, period: Period) -> np.ndarray:
        if self._model.stands and name in ("agb", "carbon_stock"):
            return self._by_stand(self._model.stand_density(period)[name])
        if name == self._model.index:
            return self._mean(INDEX, period, dry_only=False)
        return self._mean(self._model.responses[name], period)

    def _mean(self, table: np.ndarray, period: Period, dry_only: bool = True) -> np.ndarray:
        """Mean over the years of a period of a quantity per index level (20001,), or, of one for each of the `PARTS`
        (3, ..., 20001), the sum over the parts of a pixel."""
        if table.ndim == 1:
            here = places(period.years, self._years)
            return mean_of_years(self._index[here], self._water[here], table, dry_only, self._fractions)
        if self._parts is None:
            return self._mean(table[0], period)
        return sum(part * self._mean(each, period) for part, each in zip(self._parts, table, strict=True) if each.any())

    def _by_stand(self, density: np.ndarray) -> np.ndarray:
        """Density per ha of zone: stands by their covered fraction, 0 between them."""
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
    """(stored index, clear count, open water) of years of the cube, (years, rows, columns) each. Raises OSError where a
    layer is not kept."""
    stored, clear, water = (cube.read_years(years, name, window) for name in (index, "clear_count", "water_count"))
    return stored, clear, open_water(clear, water, min_water_share)


def places(wanted: Sequence[int], years: Sequence[int]) -> slice | list[int]:
    """Where the ``wanted`` are among the ``years``, as a slice where they follow each other: it copies nothing."""
    found = [years.index(year) for year in wanted]
    first, end = found[0], found[-1] + 1
    return slice(first, end) if found == list(range(first, end)) else found
