"""How much of each zone each scene shows: flagged, not covered, clear. Bright soil taken for cloud stands out there."""

from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask

from pipeline.compositing.cube import Cube, Tile
from pipeline.mapping.zone_coverage import zone_windows
from pipeline.outputs.csv_file import write_csv
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.scene import CLEAR, WATER, Scene
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
class ZoneQuality:
    """The scenes over one zone, a unit of work that writes nothing."""

    cube: Cube
    tiles: tuple[Tile, ...]
    zone: Zone
    scenes: tuple[Scene, ...]
    writes_to: Path


def zone_quality(unit: ZoneQuality) -> list[ZoneScene]:
    """One row for each scene that reaches the zone's tiles. Raises SceneError for an unreadable one."""
    counts = np.zeros((len(unit.scenes), 4), "int64")
    for window in zone_windows(unit.cube, unit.tiles, unit.zone.geometry):
        grid = unit.cube.grid[window]
        inside = ~geometry_mask([unit.zone.geometry], grid.shape, grid.affine)
        if inside.any():
            for place, scene in enumerate(unit.scenes):
                counts[place] += _counts(scene, grid, inside)
    return [_shares(unit.zone, *counted) for counted in zip(unit.scenes, counts.tolist(), strict=True)]


def write_quality(path: Path, rows: list[ZoneScene]) -> None:
    """Write the rows as CSV, shares to 0.1 %; empty cells where nothing was seen. Raises OutputError."""
    write_csv(path, TITLES, [dict(zip(TITLES, map(_cell, astuple(row)), strict=True)) for row in rows])


def _cell(value: str | float | None) -> str | None:
    return f"{value:.1f}" if isinstance(value, float) else value


def _shares(zone: Zone, scene: Scene, counts: list[int]) -> ZoneScene:
    pixels, seen, clear, water = counts
    shares = [100 * part / seen for part in (clear, water, seen - clear)] if seen else [None] * 3
    return ZoneScene(zone.id, scene.id, str(scene.day), scene.sensor, 100 * seen / pixels if pixels else 0.0, *shares)


def _counts(scene: Scene, grid: GeoBox, inside: np.ndarray) -> list[int]:
    """Pixels inside the zone, with reflectance, clear, and open water."""
    classes = read_classes(scene, grid)
    stored, _, _, nodata = read_bands(scene, ("red",), grid)["red"]
    seen = inside & (stored != nodata) & (stored == stored)
    clear = seen & (classes & CLEAR != 0)
    return [int(part.sum()) for part in (inside, seen, clear, clear & (classes & WATER != 0))]
