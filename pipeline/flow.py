"""The way of the data, in order. START HERE.

    scenes, zones  ->  1 composite  ->  2 calibrate  ->  3 map  ->  4 publish

1  per tile and year: read the scenes once, mask, take the peak of the year        -> cube
   per zone: what it covers of each pixel                                          -> covered fractions
2  per zone: the distribution of the index; per ecosystem: frozen end-members      -> sketches
3  per zone: cover, biomass, carbon stock and sink, pixel by pixel                 -> GeoTIFFs
4  per zone: totals from the sketches                                              -> GeoPackage, tables

Each stage does what is not done yet: a unit of work is marked with the key of all that it rests on, so a
changed coefficient or boundary reads no scene again.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from time import perf_counter

from pipeline.calibration import end_members_by_zone, remember
from pipeline.compositing.tile_year import TileYear, composite_tile
from pipeline.errors import SceneError, ZoneError
from pipeline.execution.engine import Engine, successes
from pipeline.execution.output_folder import clear_leftovers
from pipeline.mapping.zone_coverage import ZoneCoverage, cover_zone
from pipeline.publish import publish
from pipeline.record import outdated_years, put_away, record
from pipeline.run import Run
from pipeline.scenes.integrity import verify_scene
from pipeline.scenes.scene import SetAside
from pipeline.stock.sketch import Sketch, Sketches
from pipeline.stock.sketch_file import load_sketches
from pipeline.stock.zone_model import ZoneModel
from pipeline.units import (
    all_maps,
    cube_layers,
    finished_rasters,
    scene_files,
    stale,
    stale_maps,
    tile_years,
    zone_coverages,
    zone_sketches,
)
from pipeline.vegetation import EndMembers
from pipeline.work import ZoneMaps, map_zone, sketch_zone
from pipeline.zones.zone import largest_first


def run_stages(
    run: Run, engine: Engine, until: str = "publish", zone: str | None = None, strict: bool = False
) -> list[dict]:
    """All four stages, or those up to ``until``; returns the rows of the result table (none before publish). With
    ``zone`` the rasters of that zone alone are written; with ``strict`` the first scene or zone that fails stops the
    run. Raises SinkmapError."""
    seconds: dict[str, float] = {}
    clear_leftovers(run.out)
    with timed("composite", seconds):
        composite(run, engine, strict)
    if until == "composite":
        return []
    with timed("calibrate", seconds):
        sketches, end_members = calibrate(run, engine, strict)
    if until == "calibrate":
        return []
    models = zone_models(run, end_members, sketches)
    maps = all_maps(run, models, sketches)
    with timed("map", seconds):
        map_zones(run, engine, maps, zone, strict)
    if until == "map":
        return []
    run.refuse_replaced()
    if why := next((failed.reason for failed in run.failed if failed.zone.id == zone), None):
        raise ZoneError(why)
    if zone is not None and (lacking := [unit.zone.id for unit in stale_maps(run, maps)]):
        run.notes.append(f"{', '.join(lacking)}: no map of this config and no older one is there; run without --zone")
    if old := ", ".join(outdated_years(run)):
        run.notes.append(f"the folders {old} are older than this config or its inputs; run --year again or delete them")
    put_away(run)
    with timed("publish", seconds):
        rows = publish(run, engine, sketches, models, finished_rasters(run, maps), strict)
    record(run, end_members, models, rows, seconds)
    return rows


@contextmanager
def timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    """Put into ``seconds`` what the block took, by the name of its stage."""
    start = perf_counter()
    yield
    seconds[stage] = perf_counter() - start


# --- 1 composite ------------------------------------------------------------------------------------------


def composite(run: Run, engine: Engine, strict: bool = False) -> None:
    """Fill the cube, and keep what each zone covers of its pixels. A scene that fails on any tile is set aside as a
    whole, and what used it is done again without it; with ``strict`` it stops the run. Raises SceneError where a year
    is left without scenes."""
    run.cube.create()
    leave_out_damaged(run, engine, strict)
    while True:
        run.check_years()
        for year in run.years:
            run.cube.add_year(year, cube_layers(run))
        tiles, zones = stale(run, tile_years(run)), largest_first(stale(run, zone_coverages(run)))
        done = engine.run("composite", tile_or_zone, tiles, isolate=not strict, beside=zones)
        run.refuse_replaced(tiles)
        failed = {aside.scene: aside for result in successes(done[: len(tiles)]) for aside in result}
        run.isolate_failures([unit.zone.id for unit in zones], done[len(tiles) :], strict)
        if not failed:
            return
        if strict:
            raise SceneError(next(iter(failed.values())).reason)
        run.set_scenes_aside(list(failed.values()))


def leave_out_damaged(run: Run, engine: Engine, strict: bool) -> None:
    """Set aside the scenes whose files are not what their product says; with ``strict`` raises SceneError."""
    found = successes(engine.run("verify", verify_scene, stale(run, scene_files(run))))
    damaged = [aside for of_scene in found for aside in of_scene]
    if damaged and strict:
        raise SceneError(damaged[0].reason)
    if damaged:
        run.set_scenes_aside(damaged)


def tile_or_zone(unit: TileYear | ZoneCoverage) -> list[SetAside] | None:
    """Either unit of this stage. What a zone covers waits for no composite, so it fills the time in which the last of
    them leave workers idle."""
    return composite_tile(unit) if isinstance(unit, TileYear) else cover_zone(unit)


# --- 2 calibrate ------------------------------------------------------------------------------------------


def calibrate(run: Run, engine: Engine, strict: bool = False) -> tuple[Sketches, dict[str, EndMembers]]:
    """Sketch every zone, then take the end-members: frozen for all years, by zone id."""
    units = largest_first(stale(run, zone_sketches(run)))
    done = engine.run("calibrate", sketch_zone, units, isolate=not strict)
    run.isolate_failures([unit.zone.id for unit in units], done, strict)
    sketches = {zone.id: load_sketches(run.sketch_path(zone)) for zone in run.zones}
    for year in run.years:
        if not any(sketches[zone.id][str(year)].observed for zone in run.zones):
            raise SceneError(
                f"the year {year} has no clear pixel in any zone; add scenes or take it out of scenes.years"
            )
    end_members = end_members_by_zone(run, sketches)
    remember(run, end_members)
    return sketches, end_members


# --- 3 map ------------------------------------------------------------------------------------------------


def map_zones(run: Run, engine: Engine, maps: list[ZoneMaps], only: str | None = None, strict: bool = False) -> None:
    """Write the rasters that are not there yet, of all zones or one."""
    units = largest_first([unit for unit in stale_maps(run, maps) if only in (None, unit.zone.id)])
    done = engine.run("map", map_zone, units, isolate=not strict)
    run.isolate_failures([unit.zone.id for unit in units], done, strict)


def zone_models(
    run: Run, end_members: dict[str, EndMembers], sketches: Sketches, unsketched: Collection[str] = ()
) -> dict[str, ZoneModel]:
    """By zone id, all that turns its index into carbon. The rows of shrub are among it where a sketch found shrub, and
    in zones still ``unsketched``, whose older ``sketches`` may be among these, where it may."""
    found = {zone for zone, of_zone in sketches.items() if any(s.mosaic is not None for s in of_zone.values())}
    shrubby = run.shrub.keys() & {*found, *unsketched}
    return {
        zone.id: ZoneModel(
            zone=zone,
            ecosystem=run.ecosystems[zone.ecosystem],
            end_members=end_members[zone.id],
            stands=run.stands.get(zone.id),
            shipped_end_members=run.cover_of(zone.ecosystem).end_members == "shipped",
            sensor_errors=run.sensor_errors(zone),
            shrub=run.ecosystems["forest"].shrub if zone.id in shrubby else None,
            year_weights=_year_weights(run, sketches[zone.id]) if zone.id in sketches else (),
        )
        for zone in run.zones
    }


def _year_weights(run: Run, sketches: dict[str, Sketch]) -> tuple[tuple[int, float], ...]:
    parts = [zip(period.years, sketches[period.label].years.tolist(), strict=True) for period in run.periods]
    return tuple(pair for part in parts for pair in part)
