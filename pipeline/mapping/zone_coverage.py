"""The covered fraction of each pixel of a zone, computed once and kept beside the cube: the unit of work, and the
windows in which it and all later work process the zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import shapely

from pipeline.blocks import pixel_box
from pipeline.compositing.cube import Cube, Tile, Window
from pipeline.execution.provenance import Marks
from pipeline.zones.coverage import coverage_fractions
from pipeline.zones.zone import Zone


@dataclass(frozen=True)
class ZoneCoverage:
    """Covered fractions (0-1) of the pixels of one zone, kept beside the cube as ``kept_as``."""

    cube: Cube
    tiles: tuple[Tile, ...]
    zone: Zone
    kept_as: str
    marks: Marks
    key: dict[str, str]

    @property
    def name(self) -> str:
        return f"coverage-{self.kept_as}"

    @property
    def writes_to(self) -> Path:
        return self.cube.path


def cover_zone(unit: ZoneCoverage) -> None:
    """Compute the covered fraction of each pixel of the zone (0-1, float32), window by window."""
    unit.marks.take_back(unit.name)
    unit.cube.forget_coverage(unit.kept_as)
    for window in zone_windows(unit.cube, unit.tiles, unit.zone.geometry):
        fractions = coverage_fractions(unit.cube.grid[window], unit.zone.geometry)
        unit.cube.write_coverage(unit.kept_as, window, fractions)
    unit.marks.write(unit.name, unit.key)


def zone_windows(cube: Cube, tiles: tuple[Tile, ...], geometry: shapely.Geometry) -> Iterator[Window]:
    """The parts of the tiles inside the bounding box of the geometry, in a fixed order."""
    box = pixel_box(cube.grid, geometry)
    for tile in tiles:
        window = tuple(slice(max(w.start, b.start), min(w.stop, b.stop)) for w, b in zip(tile.window, box, strict=True))
        if all(part.start < part.stop for part in window):
            yield window
