"""What a run would do, before it does it: work to do and kept, memory and disk."""

from collections.abc import Iterator

import psutil

from pipeline.engine import GDAL_CACHE_BYTES
from pipeline.flow import (
    MAPPED,
    end_members_by_zone,
    stale_maps,
    stale_sketches,
    stale_tiles,
    tile_years,
    zone_models,
)
from pipeline.run import Run
from pipeline.sketch import load_sketches

BYTES_PER_TILE_PIXEL = 24
"""Classes and bands of one observation, and the state of the composite, while a tile is read."""

PROCESS_BYTES = 500 << 20
"""Interpreter, libraries and compiled kernels."""

CUBE_BYTES_PER_PIXEL = 2.5
MAP_BYTES_PER_PIXEL = 1.5
"""Size on disk after compression, as measured on noisy 10 m data."""


def plan_lines(run: Run, workers: int) -> Iterator[str]:
    """The plan as sentences. Reads no pixel; what was finished before is kept."""
    tiles = stale_tiles(run)
    sketches = stale_sketches(run)
    yield (
        f"{len(run.scenes)} scenes of {len(run.years)} years, {len(run.zones)} zones, grid {run.cube.grid.width} x "
        f"{run.cube.grid.height} px of {run.config.grid.resolution_m:g} m in {len(run.tiles)} tiles."
    )
    yield f"1 composite: {len(tiles)} of {len(tile_years(run))} tile-years to read, the rest is kept."
    yield f"2 calibrate: {len(sketches)} of {len(run.zones)} zones to sketch, the rest is kept."
    yield f"3 map: {_maps(run, bool(tiles or sketches))}."
    yield "4 publish: GeoPackage, tables and run record are written anew."
    window = max((t.window[0].stop - t.window[0].start) * (t.window[1].stop - t.window[1].start) for t in run.tiles)
    memory = PROCESS_BYTES + GDAL_CACHE_BYTES + workers * window * BYTES_PER_TILE_PIXEL
    free = psutil.virtual_memory().available
    yield (
        f"Memory: about {memory / 2**30:.1f} GiB at most of {free / 2**30:.1f} free, "
        f"{workers} tiles of {window / 1e6:.1f} megapixels at a time."
    )
    zone_px = sum(zone.geometry.area for zone in run.zones) / run.config.grid.resolution_m**2
    disk = zone_px * (CUBE_BYTES_PER_PIXEL * len(run.years) + MAP_BYTES_PER_PIXEL * len(MAPPED) * len(run.periods))
    yield f"Disk: about {max(disk / 2**20, 1):,.0f} MiB in {run.out}."


def _maps(run: Run, sketches_stale: bool) -> str:
    if sketches_stale:
        return "the rasters of the zones above, and those whose end-members change"
    sketches = {zone.id: load_sketches(run.sketch_path(zone)) for zone in run.zones}
    stale = stale_maps(run, zone_models(run, end_members_by_zone(run, sketches)))
    rasters = sum(len(unit.layers) for unit in stale)
    return f"{rasters} rasters of {len(stale)} zones to write, the rest is kept"
