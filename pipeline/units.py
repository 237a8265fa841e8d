"""The units of work of a run, each with the key of everything it depends on, and those that are not done yet."""

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.blocks import Cells, blocks_of, cells_of, grown, packed
from pipeline.compositing.clear_means import pixels_within
from pipeline.compositing.tile_year import COMPOSITE_CODE, TileYear
from pipeline.execution.provenance import code_key, content_key, key_parts
from pipeline.mapping.map_layer import WITH_ERROR, MapLayer
from pipeline.mapping.zone_coverage import ZoneCoverage
from pipeline.outputs.note import note_of
from pipeline.run import Run
from pipeline.scenes.integrity import SceneFiles, verifiable
from pipeline.stock.sketch import Sketch, Sketches
from pipeline.stock.zone_model import Period, ZoneModel
from pipeline.uncertainty.varying import DrawSettings
from pipeline.work import ZoneMaps, ZoneSketches

COVERAGE_CODE = ("mapping/zone_coverage", "zones/coverage", "compositing/cube", "blocks", "variables")
SKETCH_CODE = (
    *COVERAGE_CODE, "mapping/zone_pixels", "stock/sketch", "stock/sketch_file", "work", "mapping/map_layer",
    "mapping/shrub_ground", "mapping/land_cover",
)  # fmt: skip
MAP_CODE = (
    *COVERAGE_CODE, "mapping/zone_pixels", "stock/sketch", "work", "mapping/map_layer", "mapping/shrub_ground",
    "mapping/land_cover", "carbon", "uncertainty/pixel_error", "uncertainty/varying", "uncertainty/monte_carlo",
    "mapping/encoding", "outputs/cog",
)  # fmt: skip
"""Modules whose code a unit of each kind depends on, besides `COMPOSITE_CODE`."""

ERROR_CODE = (
    "vegetation", "stock/zone_model", "zones/zone_stands", "scenes/sensor_error", "ecosystems/base",
    "ecosystems/biomass", "ecosystems/forest", "ecosystems/grassland", "ecosystems/rows", "ecosystems/shrub",
    "ecosystems/wetland",
)  # fmt: skip
"""Modules that draw the errors of pixels from the numbers in a key: the drawn values are not in it, as those are."""

MAPPED = ("fvc", "agb", "carbon_stock", "clear_count")
"""Variables mapped for every zone and period, besides the index."""

BY_GROUND = ("agb", "carbon_stock", "sink")
"""Mapped variables for which shrub has coefficients of its own, so that they depend on where shrub grows."""


CUBE = "cube"
"""The part of a composite's key that says in which Zarr arrays it is stored. Sketches and maps depend on the content of
a composite, not on where it is stored: their keys leave this part out."""


Unit = TypeVar("Unit", SceneFiles, TileYear, ZoneCoverage, ZoneSketches)


def stale(run: Run, units: list[Unit]) -> list[Unit]:
    """Those of the units that are not done yet with their present key."""
    return [unit for unit in units if why_stale(run, unit)]


def why_stale(run: Run, unit: Unit) -> list[str]:
    """Why the unit is to be done, in the words of `Marks.why_stale`."""
    files = [unit.path] if isinstance(unit, ZoneSketches) else []
    return run.marks.why_stale(unit.name, unit.key, *files)


def cube_layers(run: Run) -> tuple[str, ...]:
    """The layers that the cube holds for each year."""
    return (*run.config.indices, "clear_count", "water_count", "peak_day")


def scene_files(run: Run) -> list[SceneFiles]:
    """The files of the scenes that can be verified by checksums of their product, with their keys."""
    units = []
    for scene in run.scenes:
        if bands := verifiable(scene):
            files = [[run.checksums[band.path], band.member, band.digest] for band in bands]
            units.append(SceneFiles(scene, run.marks, key_parts(files=files)))
    return units


def tile_years(run: Run) -> list[TileYear]:
    """All composites of the run with their keys."""
    settings, grid = run.config.composite, run.cube.grid
    how = (settings.method, run.config.indices, settings.cloud_buffer_m)
    code = code_key(*COMPOSITE_CODE)
    place = [str(grid.crs), list(grid.affine)]
    layers = cube_layers(run)
    units = []
    for year in run.years:
        for tile in run.tiles:
            scenes = tuple(s for s in run.scenes if s.day.year == year and run.reaches(s, tile))
            key = key_parts(
                code=code, settings=[*how, settings.bright_soil], grid=[*place, repr(tile)],
                scenes=[[*run.fingerprint(scene), pixels_within(scene, grid)] for scene in scenes],
                **{CUBE: run.cube.made(year, layers)},
            )  # fmt: skip
            unit = TileYear(run.cube, tile, year, scenes, *how, run.marks, key, settings.bright_soil)
            cells = _cells(run.marks.read(unit.name), tile.cells)
            units.append(replace(unit, cells=cells, key=key | {"ground": packed(cells)}))
    return units


def _cells(mark: object, touched: Cells) -> Cells:
    """The cells to composite: the cells ``touched`` by zones, and the ones around them. If the composite that ``mark``
    tells of holds all touched cells already, its cells are kept: a boundary that moves by less than a cell then needs
    no scene to be read again."""
    around = grown(touched) & cells_of(blocks_of(touched), touched.shape)
    kept = mark.get("ground") if isinstance(mark, dict) else None
    try:
        bits = np.frombuffer(bytes.fromhex(kept), "uint8")
        cells = np.unpackbits(bits, count=touched.size).reshape(touched.shape).astype(bool)
    except (TypeError, ValueError):  # none there, or of another window
        return around
    return cells if cells[touched].all() else around


def zone_coverages(run: Run) -> list[ZoneCoverage]:
    """The covered fractions of all zones, with their keys."""
    grid, code = run.cube.grid, code_key(*COVERAGE_CODE)
    units = []
    for zone in run.zones:
        tiles, kept_as = run.tiles_of(zone), run.kept_as(zone)
        place = [str(grid.crs), list(grid.affine), [repr(tile) for tile in tiles]]
        key = key_parts(code=code, grid=place, boundary=zone.geometry.wkb.hex())
        units.append(ZoneCoverage(run.cube, tiles, zone, kept_as, run.marks, key))
    return units


def zone_sketches(run: Run) -> list[ZoneSketches]:
    """The sketches of all zones with their keys."""
    periods = tuple(dict.fromkeys([*(Period((year,)) for year in run.years), *run.periods]))
    code = code_key(*SKETCH_CODE)
    composites = zone_composites(run)
    units = []
    for zone in run.zones:
        index, share = run.cover_of(zone.ecosystem).index, run.ecosystems[zone.ecosystem].min_water_share
        key = key_parts(
            code=code, settings=[index, share], boundary=zone.geometry.wkb.hex(), composites=composites[zone.id],
            periods=[period.years for period in periods], **_shrub_key(run, zone.id),
        )  # fmt: skip
        unit = ZoneSketches(
            cube=run.cube, tiles=run.tiles_of(zone), zone=zone, index=index, periods=periods, min_water_share=share,
            path=run.sketch_path(zone), marks=run.marks, key=key, shrub=run.shrub.get(zone.id),
        )  # fmt: skip
        units.append(unit)
    return units


def _shrub_key(run: Run, zone: str) -> dict[str, str]:
    """The key of the shrub of a zone, nothing where none can grow."""
    return {"shrub": run.shrub[zone].key} if zone in run.shrub else {}


def zone_composites(run: Run) -> dict[str, dict[int, str]]:
    """By zone and year, the key of the composites of its tiles."""
    tile_keys = {
        (unit.tile.name, unit.year): {part: digest for part, digest in unit.key.items() if part != CUBE}
        for unit in tile_years(run)
    }
    return {
        zone.id: {year: content_key([tile_keys[tile.name, year] for tile in run.tiles_of(zone)]) for year in run.years}
        for zone in run.zones
    }


def zone_layers(run: Run, model: ZoneModel, sketches: dict[str, Sketch]) -> list[MapLayer]:
    """The rasters of a zone: the variables of each period, the occurrence of open water if any was seen, and the sink
    if the periods are comparable."""
    layers = [MapLayer(variable, period) for period in run.periods for variable in (model.index, *MAPPED)]
    seen = [period for period in run.periods if period.label in sketches]
    layers += [MapLayer("water_occurrence", period) for period in seen if sketches[period.label].water.any()]
    if model.incomparable(run.baseline, run.current) is None:
        layers.append(MapLayer("sink", run.current, run.baseline))
    return layers


def all_maps(run: Run, models: dict[str, ZoneModel], sketches: Sketches) -> list[ZoneMaps]:
    """The maps of all zones with the keys of their rasters. The key of a raster contains the composites of its own
    years and the numbers that it uses, no others: a changed root-to-shoot ratio leaves cover and NDVI as they are."""
    code = code_key(*MAP_CODE)
    composites = zone_composites(run)
    units = []
    for zone in run.zones:
        model, boundary = models[zone.id], content_key(zone.geometry.wkb.hex())
        note = note_of(run.config.simulated, [model.ecosystem])
        layers = {
            layer: key_parts(
                code=code,
                composites=[composites[zone.id][year] for year in layer.years],
                boundary=boundary,
                settings=[model.index, model.ecosystem.min_water_share],
                names=[repr(layer), note, zone.name],
                **_numbers(model, layer, run.draws),
                **(_shrub_key(run, zone.id) if model.shrub and layer.variable in BY_GROUND else {}),
            )
            for layer in zone_layers(run, model, sketches.get(zone.id, {}))
        }
        unit = ZoneMaps(
            cube=run.cube, tiles=run.tiles_of(zone), model=model, coverage=run.kept_as(zone), layers=layers,
            folder=run.zone_folder(zone), description=note, marks=run.marks, errors=run.draws,
        )  # fmt: skip
        units.append(unit)
    return units


def _numbers(model: ZoneModel, layer: MapLayer, draws: DrawSettings | None) -> dict[str, object]:
    """The numbers that a raster applies to the composites, by where they come from."""
    if layer.variable in (model.index, "clear_count", "water_occurrence"):
        return {}
    errors = {}
    if draws and layer.variable in WITH_ERROR:  # only draws of stands affect a pixel, whatever their number
        seed = draws.seed if model.stands else None
        errors = {"errors": [model.error_inputs, seed, code_key(*ERROR_CODE)]}
    numbers = model.fingerprint(layer.variable, layer.periods)
    if model.stands and layer.variable != "fvc":
        return {"stands": numbers} | errors
    return {"coefficients": numbers, "end_members": repr(model.end_members)} | errors


def finished_rasters(run: Run, maps: list[ZoneMaps]) -> dict[str, dict[tuple[str, str], Path]]:
    """Path of each raster that is finished with its present key, by zone id and (variable, period label)."""
    found = {}
    for unit in maps:
        stale = _stale(run, unit)
        found[unit.zone.id] = {
            (layer.variable, layer.label): unit.path(layer) for layer in unit.layers if layer not in stale
        }
    return found


def stale_maps(run: Run, maps: list[ZoneMaps]) -> list[ZoneMaps]:
    """Zones with only those rasters that have to be written."""
    return [replace(unit, layers=layers) for unit in maps if (layers := _stale(run, unit))]


def _stale(run: Run, unit: ZoneMaps) -> dict[MapLayer, dict[str, str]]:
    return {
        layer: key for layer, key in unit.layers.items() if run.marks.why_stale(unit.mark(layer), key, unit.path(layer))
    }
