"""How much of each zone each scene shows: flagged, not covered, clear. Bright soil mistaken for cloud shows there."""

from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask

from pipeline.blocks import Blocks, blocks_of
from pipeline.compositing.cube import Cube, Tile
from pipeline.mapping.zone_coverage import zone_windows
from pipeline.outputs.csv_file import write_csv
from pipeline.scenes.quality import CLEAR, WATER
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.scene import Scene
from pipeline.zones.zone import Zone

TITLES = (
    "片区编号 zone_id", "景号 scene", "日期 date", "传感器 sensor", "观测占比 seen_percent",
    "晴空占比 clear_percent", "水面占比 water_percent", "掩膜占比 flagged_percent",
)  # fmt: skip


@dataclass(frozen=True)
class ZoneScene:
    """Shares of a zone's pixels (centres inside) in one scene, percent: with reflectance; of these clear (water with
    it), open water, and flagged: cloud, shadow, snow or defect, before clouds are grown. None where nothing was
    seen."""

    zone_id: str
    scene: str
    date: str
    sensor: str
    seen_percent: float
    clear_percent: float | None
    water_percent: float | None
    flagged_percent: float | None


@dataclass(frozen=True)
class TileQuality:
    """The scenes over the zones of one tile, a unit of work that writes nothing."""

    cube: Cube
    tile: Tile
    zones: tuple[Zone, ...]
    scenes: tuple[Scene, ...]
    writes_to: Path


Counts = dict[tuple[str, str], np.ndarray]
"""By ids of zone and scene: numbers of pixels not seen, flagged, clear land, open water."""

NONE = (0, 0, 0, 0)


def tile_quality(unit: TileQuality) -> Counts:
    """The pixels of each zone in the tile, in each scene, which is read once for them all. Raises SceneError for an
    unreadable one."""
    grid = unit.cube.grid[unit.tile.window]
    box = shapely.box(*grid.boundingbox)
    asked = blocks_of(unit.tile.cells)
    inside = {zone.id: pixels for zone in unit.zones if (pixels := _pixels(unit, zone)).size}
    counts = {}
    for scene in unit.scenes if inside else ():
        seen = _seen(scene, grid, asked).ravel() if scene.frame.intersects(box) else None
        for zone, pixels in inside.items():
            of_none = np.array([pixels.size, 0, 0, 0])
            counts[zone, scene.id] = of_none if seen is None else np.bincount(seen[pixels], minlength=4)
    return counts


def together(tiles: list[Counts]) -> Counts:
    """The pixels of all tiles."""
    counts: Counts = {}
    for tile in tiles:
        for which, pixels in tile.items():
            counts[which] = counts.get(which, 0) + pixels
    return counts


def zone_scenes(zone: Zone, scenes: list[Scene], counts: Counts) -> list[ZoneScene]:
    """One row for each of the scenes."""
    return [_shares(zone, scene, *map(int, counts.get((zone.id, scene.id), NONE))) for scene in scenes]


def write_quality(path: Path, rows: list[ZoneScene]) -> None:
    """Write the rows as CSV, shares to 0.1 %; empty cells where nothing was seen. Raises OutputError."""
    write_csv(path, TITLES, [dict(zip(TITLES, map(_cell, astuple(row)), strict=True)) for row in rows])


def _cell(value: str | float | None) -> str | None:
    return f"{value:.1f}" if isinstance(value, float) else value


def _shares(zone: Zone, scene: Scene, unseen: int, flagged: int, land: int, water: int) -> ZoneScene:
    seen = flagged + land + water
    shares = [100 * part / seen for part in (land + water, water, flagged)] if seen else [None] * 3
    return ZoneScene(zone.id, scene.id, str(scene.day), scene.sensor, 100 * seen / max(seen + unseen, 1), *shares)


def _pixels(unit: TileQuality, zone: Zone) -> np.ndarray:
    """Where the pixels of the zone lie in the tile, counted along its rows."""
    found = [np.empty(0, "int64")]
    for window in zone_windows(unit.cube, (unit.tile,), zone.geometry):
        grid = unit.cube.grid[window]
        places = np.nonzero(~geometry_mask([zone.geometry], grid.shape, grid.affine))
        top, left = (own.start - whole.start for own, whole in zip(window, unit.tile.window, strict=True))
        found.append((places[0] + top) * unit.tile.shape[1] + places[1] + left)
    return np.concatenate(found)


def _seen(scene: Scene, grid: GeoBox, asked: Blocks) -> np.ndarray:
    """For each pixel, the number of its class in `Counts`, uint8; without reflectance it is not seen."""
    classes = read_classes(scene, grid)
    stored, _, _, nodata = read_bands(scene, ("red",), grid, asked)["red"]
    seen = (stored != nodata) & (stored == stored)
    clear = seen & (classes & CLEAR != 0)
    return seen.astype("uint8") + clear + (clear & (classes & WATER != 0))
