"""The way of the data, in order. START HERE.

    scenes, zones  ->  1 composite  ->  2 calibrate  ->  3 map  ->  4 publish

1  per tile and year: read the scenes once, mask, take the peak of the year        -> cube
2  per zone: the distribution of the index; per ecosystem: frozen end-members      -> sketches
3  per zone: cover, biomass, carbon stock and sink, pixel by pixel                 -> GeoTIFFs
4  per zone: totals from the sketches                                              -> GeoPackage, tables

Each stage does what is not done yet: a unit of work is marked with the key of all that it rests on, so a
changed coefficient or boundary reads no scene again.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from pipeline.calibration import end_members_by_zone, remember
from pipeline.engine import Engine, Failure, successes
from pipeline.errors import OutputError, SceneError
from pipeline.provenance import code_key, content_key, key_parts
from pipeline.publish import publish
from pipeline.record import record
from pipeline.run import Run
from pipeline.sketch import Sketch, holds_shrub, load_sketches
from pipeline.tile_year import TileYear, composite_tile
from pipeline.varying import Settings
from pipeline.vegetation import EndMembers
from pipeline.work import WITH_ERROR, Layer, ZoneMaps, ZoneSketches, map_zone, sketch_zone
from pipeline.zone_model import Period, ZoneModel

MAPPED = ("fvc", "agb", "carbon_stock", "clear_count")
"""Mapped of every zone and period, besides its index."""

BY_GROUND = ("agb", "carbon_stock", "sink")
"""Of these, what shrub has other numbers for than the plants around it."""

Sketches = dict[str, dict[str, Sketch]]

STAGES = ("composite", "calibrate", "map", "publish")


def run_stages(
    run: Run, engine: Engine, until: str = "publish", zone: str | None = None, strict: bool = False
) -> list[dict]:
    """All four stages, or those up to ``until``; returns the rows of the result table (none before publish)."""
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable) -> object:
        start = perf_counter()
        result = work()
        seconds[stage] = perf_counter() - start
        return result

    timed("composite", lambda: composite(run, engine, strict))
    if until == "composite":
        return []
    sketches, end_members = timed("calibrate", lambda: calibrate(run, engine, strict))
    if until == "calibrate":
        return []
    models = zone_models(run, end_members)
    maps = all_maps(run, models)
    timed("map", lambda: map_zones(run, engine, maps, zone, strict))
    if until == "map":
        return []
    run.refuse_replaced()
    rows = timed("publish", lambda: publish(run, engine, sketches, models, raster_paths(maps)))
    record(run, end_members, models, rows, seconds)
    return rows


# --- 1 composite ------------------------------------------------------------------------------------------


def composite(run: Run, engine: Engine, strict: bool = False) -> None:
    """Fill the cube. A scene that fails on any tile is set aside as a whole, and what used it is done again
    without it; with ``strict`` it stops the run. Raises SceneError where a year is left without scenes."""
    if run.cube.create():
        run.marks.forget("tile-", "sketch-")
    while True:
        run.check_years()
        for year in run.years:
            run.cube.add_year(year, (*run.config.indices, "clear_count", "water_count", "peak_day"))
        units = stale_tiles(run)
        done = engine.run("composite", composite_tile, units)
        run.refuse_replaced(units)
        failed = {aside.scene: aside for result in successes(done) for aside in result}
        if not failed:
            return
        if strict:
            raise SceneError(next(iter(failed.values())).reason)
        run.set_scenes_aside(list(failed.values()))


def tile_years(run: Run) -> list[TileYear]:
    """All composites of the run with their keys."""
    settings, grid = run.config.composite, run.cube.grid
    buffer_px = round(settings.cloud_buffer_m / run.config.grid.resolution_m)
    how = (settings.method, run.config.indices, buffer_px)
    code = code_key(
        "composite", "composite_methods", "median", "indices", "bright_soil", "reflectance", "blocks", "hdfeos",
        "scene", "cube", "variables",
    )  # fmt: skip
    place = [str(grid.crs), list(grid.affine)]
    units = []
    for year in run.years:
        for tile in run.tiles:
            scenes = tuple(s for s in run.scenes if s.day.year == year and run.reaches(s, tile))
            key = key_parts(
                code=code, settings=[*how, settings.bright_soil], grid=[*place, repr(tile)],
                scenes=[run.fingerprint(scene) for scene in scenes],
            )  # fmt: skip
            units.append(TileYear(run.cube, tile, year, scenes, *how, run.marks, key, settings.bright_soil))
    return units


def stale_tiles(run: Run) -> list[TileYear]:
    """The composites that are not done yet with their present key."""
    return [unit for unit in tile_years(run) if run.marks.why_stale(unit.name, unit.key)]


# --- 2 calibrate ------------------------------------------------------------------------------------------


def calibrate(run: Run, engine: Engine, strict: bool = False) -> tuple[Sketches, dict[str, EndMembers]]:
    """Sketch every zone, then take the end-members: frozen for all years, by zone id."""
    units = stale_sketches(run)
    done = engine.run("calibrate", sketch_zone, units, isolate=not strict)
    isolate_failures(run, [unit.zone.id for unit in units], done, strict)
    sketches = {zone.id: load_sketches(run.sketch_path(zone)) for zone in run.zones}
    for year in run.years:
        if not any(sketches[zone.id][str(year)].observed for zone in run.zones):
            raise SceneError(
                f"the year {year} has no clear pixel in any zone; add scenes or take it out of scenes.years"
            )
    end_members = end_members_by_zone(run, sketches)
    remember(run, end_members)
    return sketches, end_members


def zone_sketches(run: Run) -> list[ZoneSketches]:
    """The sketches of all zones with their keys."""
    periods = tuple(dict.fromkeys([*(Period((year,)) for year in run.years), *run.periods]))
    code = code_key("sketch", "zone_pixels", "coverage", "work", "variables", "shrub_ground", "land_cover")
    composites = zone_composites(run)
    units = []
    for zone in run.zones:
        index, share = run.cover_of(zone.ecosystem).index, run.ecosystems[zone.ecosystem].min_water_share
        key = key_parts(
            code=code, settings=[index, share], boundary=zone.geometry.wkb_hex, composites=composites[zone.id],
            periods=[period.label for period in periods], **_shrub_key(run, zone.id),
        )  # fmt: skip
        place = (run.sketch_path(zone), run.marks, key, run.shrub.get(zone.id))
        units.append(ZoneSketches(run.cube, run.tiles_of(zone), zone, index, periods, share, *place))
    return units


def _shrub_key(run: Run, zone: str) -> dict[str, str]:
    """The key of the shrub of a zone, nothing where none can grow."""
    return {"shrub": run.shrub[zone].key} if zone in run.shrub else {}


def zone_composites(run: Run) -> dict[str, dict[int, str]]:
    """By zone and year, the key of the composites of its tiles."""
    tile_keys = {(unit.tile.name, unit.year): unit.key for unit in tile_years(run)}
    return {
        zone.id: {year: content_key([tile_keys[tile.name, year] for tile in run.tiles_of(zone)]) for year in run.years}
        for zone in run.zones
    }


def stale_sketches(run: Run) -> list[ZoneSketches]:
    """The sketches that are not done yet with their present key."""
    return [unit for unit in zone_sketches(run) if run.marks.why_stale(unit.name, unit.key, unit.path)]


# --- 3 map ------------------------------------------------------------------------------------------------


def map_zones(run: Run, engine: Engine, maps: list[ZoneMaps], only: str | None = None, strict: bool = False) -> None:
    """Write the rasters that are not there yet, of all zones or one."""
    units = [unit for unit in stale_maps(run, maps) if only in (None, unit.model.zone.id)]
    done = engine.run("map", map_zone, units, isolate=not strict)
    isolate_failures(run, [unit.model.zone.id for unit in units], done, strict)


def zone_models(run: Run, end_members: dict[str, EndMembers], unsketched: Collection[str] = ()) -> dict[str, ZoneModel]:
    """By zone id, all that turns its index into carbon. The rows of shrub are among it where a sketch found shrub, and
    in zones still ``unsketched`` where it may."""
    shrubby = [zone for zone in run.zones if zone.id in run.shrub]
    shrubby = {zone.id for zone in shrubby if zone.id in unsketched or holds_shrub(run.sketch_path(zone))}
    return {
        zone.id: ZoneModel(
            zone,
            run.ecosystems[zone.ecosystem],
            end_members[zone.id],
            run.stands.get(zone.id),
            run.cover_of(zone.ecosystem).end_members == "shipped",
            run.sensor_errors(zone),
            run.ecosystems["forest"].shrub if zone.id in shrubby else None,
        )
        for zone in run.zones
    }


def zone_layers(run: Run, model: ZoneModel) -> list[Layer]:
    """The rasters of a zone: the variables of each period, and the sink where the periods compare."""
    layers = [Layer(variable, period) for period in run.periods for variable in (model.index, *MAPPED)]
    if model.incomparable(run.baseline, run.current) is None:
        layers.append(Layer("sink", run.current, run.baseline))
    return layers


def all_maps(run: Run, models: dict[str, ZoneModel]) -> list[ZoneMaps]:
    """The maps of all zones with the keys of their rasters. A raster rests on the ground of its own years and on the
    very numbers it applies, so a root-to-shoot ratio leaves cover and NDVI alone."""
    code = code_key(
        "work",
        "sketch",
        "zone_pixels",
        "coverage",
        "carbon",
        "pixel_error",
        "varying",
        "variables",
        "encoding",
        "outputs/cog",
        "shrub_ground",
    )
    composites = zone_composites(run)
    units = []
    for zone in run.zones:
        model = models[zone.id]
        layers = {
            layer: key_parts(
                code=code,
                composites=[composites[zone.id][year] for year in layer.years],
                boundary=zone.geometry.wkb_hex,
                settings=[model.index, model.ecosystem.min_water_share],
                names=[repr(layer), run.note, zone.name],
                **_numbers(model, layer, run.draws),
                **(_shrub_key(run, zone.id) if model.shrub and layer.variable in BY_GROUND else {}),
            )
            for layer in zone_layers(run, model)
        }
        coverage = run.sketch_path(zone).stem
        place = (run.cube, run.tiles_of(zone), model, coverage, layers, run.zone_folder(zone))
        units.append(ZoneMaps(*place, run.note, run.marks, run.draws))
    return units


def _numbers(model: ZoneModel, layer: Layer, draws: Settings | None) -> dict[str, object]:
    """The numbers that a raster applies to the composites, by where they come from."""
    errors = {"errors": [model.error_inputs, repr(draws)]} if draws and layer.variable in WITH_ERROR else {}
    numbers = model.fingerprint(layer.variable, layer.periods)
    if layer.variable in (model.index, "clear_count"):
        return {}
    if model.stands and layer.variable != "fvc":
        return {"stands": numbers} | errors
    return {"coefficients": numbers, "end_members": repr(model.end_members)} | errors


def raster_paths(maps: list[ZoneMaps]) -> dict[str, dict[tuple[str, str], Path]]:
    """By zone id and (variable, period label), where each raster is."""
    return {
        unit.model.zone.id: {(layer.variable, layer.label): unit.path(layer) for layer in unit.layers} for unit in maps
    }


def stale_maps(run: Run, maps: list[ZoneMaps]) -> list[ZoneMaps]:
    """Zones with only those rasters that have to be written."""
    units = []
    for unit in maps:
        layers = {
            layer: key
            for layer, key in unit.layers.items()
            if run.marks.why_stale(unit.mark(layer), key, unit.path(layer))
        }
        if layers:
            units.append(replace(unit, layers=layers))
    return units


# --- what fails -------------------------------------------------------------------------------------------


def isolate_failures(run: Run, zones: list[str], results: list, strict: bool) -> None:
    """Give up the zones whose unit failed, so that the others are delivered. Raises the error where no zone is left,
    where a result cannot be written, which soon stops the others, too, and with ``strict``."""
    failed = {zone: result.error for zone, result in zip(zones, results, strict=True) if isinstance(result, Failure)}
    for error in failed.values():
        if strict or isinstance(error, OutputError) or len(failed) == len(run.zones):
            raise error
    if failed:
        run.give_up_zones({zone: str(error) for zone, error in failed.items()})
