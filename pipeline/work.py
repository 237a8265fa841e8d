"""The units of work on zones, each run by one worker: a zone's sketch, a zone's maps.

A unit carries plain values, writes its own result and, last, its completion mark; it returns little.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.blocks import pixel_box
from pipeline.compositing.cube import Cube, Tile
from pipeline.errors import ZoneError
from pipeline.execution.provenance import Marks
from pipeline.mapping.encoding import encode
from pipeline.mapping.map_layer import WITH_ERROR, MapLayer, Strip, layers_of_years
from pipeline.mapping.shrub_ground import ShrubGround, forget_mosaic, keep_mosaic, kept_mosaic
from pipeline.mapping.zone_coverage import zone_windows
from pipeline.mapping.zone_pixels import SketchBuilder, places
from pipeline.outputs.cog import CogWriter
from pipeline.stock.sketch_file import save_sketches
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.uncertainty.pixel_error import IndexErrors, StandErrors, index_errors, stand_errors
from pipeline.uncertainty.varying import DrawSettings
from pipeline.variables import VARIABLES
from pipeline.zones.zone import Zone


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
    errors: DrawSettings | None = None
    """Settings of the draws for the standard errors, None for rasters without standard errors."""

    @property
    def zone(self) -> Zone:
        return self.model.zone

    @property
    def writes_to(self) -> Path:
        return self.folder

    def path(self, layer: MapLayer) -> Path:
        return self.folder / f"{self.zone.id}_{layer.variable}_{layer.label}.tif"

    def mark(self, layer: MapLayer) -> str:
        """Name of the layer's mark; a year mapped on its own has other paths, and so other marks."""
        return f"map-{self.folder.parent.parent.name}-{self.path(layer).stem}"


def map_zone(unit: ZoneMaps) -> None:
    """Write the zone's rasters, a tile at a time; the memory does not grow with the zone."""
    zone, grid = unit.zone, unit.cube.grid
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
    """The error tables or draws for the standard errors of the zone's pixels."""
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
