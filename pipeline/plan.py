"""What a run would do, before it does it, and why: work to do and kept, time, memory and disk."""

from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import psutil

from pipeline.calibration import end_members_by_zone, remembered
from pipeline.compositing.composite_methods import bytes_per_pixel_and_day
from pipeline.errors import ConfigError, OutputError
from pipeline.execution.engine import GDAL_CACHE_BYTES
from pipeline.execution.json_file import read_json
from pipeline.execution.provenance import FILES, code_key, key_parts
from pipeline.flow import zone_models
from pipeline.mapping.patches import min_cells
from pipeline.outputs.patches import block_px
from pipeline.run import Run
from pipeline.stock.sketch import LEVELS, Sketches
from pipeline.stock.sketch_file import load_sketches
from pipeline.units import MAPPED, all_maps, scene_files, stale, tile_years, why_stale, zone_sketches
from pipeline.vegetation import EndMembers

BYTES_PER_TILE_PIXEL = 24
"""Classes and bands of one observation, and the state of the composite, while a tile is read."""

BYTES_PER_MAP_PIXEL = 8
"""A sink of three bands, whose overviews and file are made in memory; upper bound, without any compression."""

BYTES_PER_PATCH_CELL = 160
"""Values, regions and their borders while small ones are merged, as measured on noise, where each cell is a region."""

BYTES_PER_SMALLEST_PATCH = 1100
"""Outlines and table of the patches, for each patch that would fit in a zone at the least area. Measured on noise:
there is one patch in four of these, and it takes 4 to 6 kB."""

PROCESS_BYTES = 500 << 20
"""Interpreter, libraries and compiled kernels."""

CUBE_BYTES_PER_PIXEL = 2.5
MAP_BYTES_PER_PIXEL = 1.5
"""Size on disk after compression, as measured on noisy 10 m data."""

SKETCH_BYTES = 2 * 8 * LEVELS.size
"""A sketch of a zone in a year or period: two weights for each index level."""

SHEET_BYTES = 1_200_000
"""A zone's sheet as PDF and PNG, and its page in the atlas, as measured on the sample."""

SHOWN_UNITS = 8
"""Most units that a line names; of further ones it gives the number."""


@dataclass(frozen=True)
class Job:
    """A unit of work that is to be done: its name in the plan, its zone (empty for a tile) and the reason."""

    name: str
    zone: str
    why: str


def plan_lines(run: Run, workers: int, force: bool = False, only: str | None = None) -> Iterator[str]:
    """The plan as sentences. Reads no pixel. Finished work is kept, unless ``force`` is given; with ``only`` just this
    zone is mapped, and ``force`` is limited to it."""
    whole = force and only is None
    told = scene_files(run)
    unverified = told if whole else stale(run, told)
    tiles, sketches = stale_composites(run, whole), stale_zones(run, force, only)
    upstream = {job.zone for job in sketches}
    rasters = [job for job in stale_rasters(run, force, upstream) if only in (None, job.zone)]
    yield (
        f"{len(run.scenes)} scenes of {len(run.years)} years, {len(run.zones)} zones, grid {run.cube.grid.width} x "
        f"{run.cube.grid.height} px of {run.config.grid.resolution_m:g} m in {len(run.tiles)} tiles."
    )
    if told:
        yield f"1 composite: {len(unverified)} of {len(told)} scenes to verify by the checksums of their product."
    yield f"1 composite: {len(tiles)} of {len(run.years) * len(run.tiles)} tile-years to read, the rest is kept."
    yield from _reasons(tiles)
    yield f"2 calibrate: {len(sketches)} of {len(run.zones)} zones to sketch, the rest is kept."
    yield from _reasons(sketches)
    zones = len({job.zone for job in rasters})
    moving = " or calibrated end-members change" if _calibrates(run, upstream) else ""
    more = f", more where open water appears{moving}" if sketches else ""
    yield f"3 map: {len(rasters)} rasters of {zones} zones to write{more}, the rest is kept."
    yield from _reasons(rasters)
    sheets = stale_sheets(run, force, rasters, only)
    drawing = ""
    if "sheets" in run.config.deliverables:
        drawing = f"{len(sheets)} of {len(run.zones) + 2} sheets to draw, more if a figure or text on them changes; "
    yield f"4 publish: {drawing}GeoPackage, tables and run record are written anew."
    yield from _reasons(sheets)
    made = {"patches": zones} if "patches" in run.config.deliverables else {}
    drawn = {"uncertainty": zones} if run.draws else {}
    read = {"verify": len(unverified), "composite": len(tiles)}
    yield _time(run, read | {"calibrate": len(sketches), "map": zones, "sheets": len(sheets)} | drawn | made)
    yield from _size(run, workers)


def stale_composites(run: Run, force: bool) -> list[Job]:
    """The tile-years to read, in order."""
    return [
        Job(f"{unit.year} {unit.tile.name}", "", why)
        for unit in tile_years(run)
        if (why := _why(why_stale(run, unit), force))
    ]


def stale_zones(run: Run, force: bool, only: str | None = None) -> list[Job]:
    """The zones to sketch, in order; ``force`` is for the zone ``only`` where that is given."""
    return [
        Job(unit.zone.id, unit.zone.id, why)
        for unit in zone_sketches(run)
        if (why := _why(why_stale(run, unit), force and only in (None, unit.zone.id)))
    ]


def stale_rasters(run: Run, force: bool, sketched: set[str]) -> list[Job]:
    """The rasters to write, in order. If the zones ``sketched`` anew may change calibrated end-members, those of the
    last run are assumed; if a land cover reaches these zones, shrub is assumed."""
    sketches = {}
    for zone in run.zones:
        # for a zone to be sketched anew the older sketch is used, but it may be gone or damaged
        with suppress(OutputError) if zone.id in sketched else nullcontext():
            sketches[zone.id] = load_sketches(run.sketch_path(zone))
    end_members = _end_members(run, sketches, sketched)
    if end_members is None:
        per_zone = (1 + len(MAPPED)) * len(run.periods) + (run.baseline is not None)
        return [Job(f"{zone.id} raster {i + 1}", zone.id, "new") for zone in run.zones for i in range(per_zone)]
    return [
        Job(unit.path(layer).stem, unit.model.zone.id, why)
        for unit in all_maps(run, zone_models(run, end_members, sketches, sketched), sketches)
        for layer, key in unit.layers.items()
        if (why := _why(run.marks.why_stale(unit.mark(layer), key, unit.path(layer)), force))
    ]


def stale_sheets(run: Run, force: bool, rasters: list[Job], only: str | None = None) -> list[Job]:
    """The sheets that are sure to be drawn, in order: only the run itself knows the figures and texts that a sheet
    shows. ``rasters`` are those to write; ``force`` is for the zone ``only`` where that is given."""
    if "sheets" not in run.config.deliverables:
        return []
    from pipeline.outputs.sheets.atlas import CODE  # which brings matplotlib
    from pipeline.outputs.sheets.page import sheet_files

    code, mapped, jobs = key_parts(code=code_key(*CODE)), {job.zone for job in rasters}, []
    pages = [(name, "", run.results / name) for name in ("overview", "monitoring")]
    pages += [(f"zone-{zone.id}", zone.id, run.zone_folder(zone) / f"{zone.id}_sheet") for zone in run.zones]
    for name, zone, stem in pages:
        mark = f"sheet-{run.results.name}-{name}"
        done = run.marks.read(mark)
        kept = dict(done) if isinstance(done, dict) else {}
        # only the mark of an overview says how many pages it has
        files = [stem.with_name(file) for file in kept.pop(FILES, {})] or sheet_files(stem)
        parts = run.marks.why_stale(mark, kept | code, *files)
        if not parts and (zone in mapped or (name == "overview" and mapped)):
            parts = ["rasters"]
        if why := _why(parts, force and only in (None, zone)):
            jobs.append(Job(stem.name, zone, why))
    return jobs


def _calibrates(run: Run, sketched: set[str]) -> bool:
    """Whether end-members are calibrated on any of the zones ``sketched``."""
    return any(run.cover_of(z.ecosystem).end_members == "calibrate" for z in run.zones if z.id in sketched)


def _end_members(run: Run, sketches: Sketches, sketched: set[str]) -> dict[str, EndMembers] | None:
    """By zone; None where they cannot be known before the zones are sketched."""
    if not sketched:
        return end_members_by_zone(run, sketches)
    try:
        return end_members_by_zone(run, {})  # given or shipped, no sketch is needed
    except (KeyError, ConfigError):
        known = remembered(run)
    return known if all(zone.id in known for zone in run.zones) else None


def _why(parts: list[str], force: bool) -> str:
    """The reason as the plan states it, without changes of numbers that only follow from another change."""
    if force:
        return "forced"
    if "end_members" in parts:
        parts = [part for part in parts if part != "coefficients"]
    words = [
        part if part in ("new", "file missing", "file damaged") else f"{part.replace('_', '-')} changed"
        for part in parts
    ]
    return ", ".join(words)


def _reasons(jobs: list[Job]) -> Iterator[str]:
    """A line for each reason, with the units that it concerns."""
    for why in dict.fromkeys(job.why for job in jobs):
        names = [job.name for job in jobs if job.why == why]
        more = f" and {len(names) - SHOWN_UNITS} more" if len(names) > SHOWN_UNITS else ""
        yield f"   {why}: {', '.join(names[:SHOWN_UNITS])}{more}"


def _time(run: Run, units: dict[str, int]) -> str:
    pace = read_json(run.work / "pace.json") or {}
    if unknown := [stage for stage, count in units.items() if count and stage not in pace]:
        return f"Time: not known before {', '.join(unknown)} ran once."
    seconds = sum(count * pace[stage] for stage, count in units.items() if count)
    if not seconds:
        return "Time: seconds; only the tables are to be written."
    amount = f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
    return f"Time: about {amount} at the pace of the last run, and the tables."


def bytes_of_days(run: Run) -> int:
    """Bytes per pixel of the days that a composite keeps, in the year that has most of them."""
    days = Counter(day.year for day in {scene.day for scene in run.scenes})
    return max(days.values()) * bytes_per_pixel_and_day(run.config.composite.method, run.config.indices)


def bytes_of_patches(run: Run, pixels: float) -> float:
    """Bytes that the making of patches takes at most, in a zone whose frame has so many pixels."""
    block = block_px(pixels)
    least = min_cells(run.config.patches.min_area_mu, (block * run.config.grid.resolution_m) ** 2)
    return pixels / block**2 * (BYTES_PER_PATCH_CELL + BYTES_PER_SMALLEST_PATCH / least)


def _size(run: Run, workers: int) -> Iterator[str]:
    window = max((t.window[0].stop - t.window[0].start) * (t.window[1].stop - t.window[1].start) for t in run.tiles)
    framed = [zone.geometry.envelope.area / run.config.grid.resolution_m**2 for zone in run.zones]
    unit = max(window * (BYTES_PER_TILE_PIXEL + bytes_of_days(run)), max(framed) * BYTES_PER_MAP_PIXEL)
    if "patches" in run.config.deliverables:
        unit = max(unit, *(bytes_of_patches(run, pixels) for pixels in framed))
    memory = PROCESS_BYTES + GDAL_CACHE_BYTES + workers * unit
    free = psutil.virtual_memory().available
    yield (
        f"Memory: about {memory / 2**30:.1f} GiB at most of {free / 2**30:.1f} free, "
        f"{workers} tiles of {window / 1e6:.1f} megapixels at a time."
    )
    zone_px = sum(zone.geometry.area for zone in run.zones) / run.config.grid.resolution_m**2
    maps = (1 + len(MAPPED)) * len(run.periods)
    disk = zone_px * (CUBE_BYTES_PER_PIXEL * len(run.years) + MAP_BYTES_PER_PIXEL * maps)
    per_zone = SKETCH_BYTES * (len(run.years) + len(run.periods))
    disk += len(run.zones) * (per_zone + SHEET_BYTES * ("sheets" in run.config.deliverables))
    here = psutil.disk_usage(str(run.out)).free
    yield f"Disk: about {max(disk / 2**20, 1):,.0f} MiB of {here / 2**20:,.0f} free in {run.out}."
