"""Scenes at least twice as fine as the grid: clouds are masked at the scene's own pixels, and a pixel of the grid takes
the mean of what is clear in it. One quality pixel says nothing of the many beside it in a pixel of the grid."""

from collections.abc import Iterator

import numpy as np
from odc.geo.geobox import GeoBox

from pipeline.blocks import CELL_PX, Cells, rectangles
from pipeline.compiled import njit
from pipeline.composite import buffer_clouds
from pipeline.reflectance import read_bands, read_classes
from pipeline.scene import CLEAR, WATER, Scene, Stored

STRIP_PX = 4 << 20
"""Pixels of a scene that are held at once, at most, or those of one row of the grid."""

LEAST_CLEAR = 0.5
"""Share of a grid pixel that must be clear for it to count."""


def pixels_within(scene: Scene, grid: GeoBox) -> int:
    """How many pixels of the scene's red lie along one of ``grid``'s, a whole number; 1 where less than two do."""
    return max(1, int(abs(grid.resolution.x) / scene.pixel_m + 0.01)) if scene.pixel_m else 1


def clear_means(
    scene: Scene, names: tuple[str, ...], grid: GeoBox, within: int, buffer_m: float, cells: Cells | None = None
) -> tuple[np.ndarray, dict[str, Stored]]:
    """Classes (uint8 bits of `scene`) and bands of a scene on ``grid``, from ``within`` x ``within`` pixels each.

    Clouds grow by ``buffer_m`` first. A grid pixel is CLEAR where at least `LEAST_CLEAR` of it is, WATER where most of
    that is, and its bands are the means of the clear pixels, their nodata where it is not clear. Outside ``cells`` all
    is nodata. Raises SceneError for an unreadable file.
    """
    classes = np.zeros(grid.shape, "uint8")
    bands: dict[str, Stored] = {}
    radius = round(buffer_m * within / abs(grid.resolution.x))
    for place in _strips(grid, within, cells):
        fine = grid[place]
        fine = fine.zoom_to((fine.height * within, fine.width * within))
        seen = buffer_clouds(read_classes(scene, fine.pad(radius)), radius, margin_px=radius)
        _reduce_classes(seen, within, classes[place])
        for name, (stored, scale, offset, nodata) in read_bands(scene, names, fine).items():
            if name not in bands:
                bands[name] = np.full(grid.shape, nodata, stored.dtype), scale, offset, nodata
            means = np.full(classes[place].shape, np.nan)
            _reduce_band(stored, nodata, seen, within, means)
            known = ~np.isnan(means) & (classes[place] & CLEAR != 0)
            if stored.dtype.kind in "iu":
                means = means.round()
            bands[name][0][place][known] = means[known]
    return classes, bands


def _strips(grid: GeoBox, within: int, cells: Cells | None) -> Iterator[tuple[slice, slice]]:
    """Windows of the grid that are asked for, each small enough."""
    for rows, columns in rectangles(cells, grid.shape, CELL_PX):
        step = max(1, STRIP_PX // ((columns.stop - columns.start) * within**2))
        for top in range(rows.start, rows.stop, step):
            yield slice(top, min(top + step, rows.stop)), columns


@njit(nogil=True, cache=True)
def _reduce_classes(seen, within, classes):
    """CLEAR and WATER of each pixel from those of its ``within`` x ``within``."""
    clear, water = np.empty(classes.shape[1], np.int64), np.empty(classes.shape[1], np.int64)
    for y in range(classes.shape[0]):
        clear[:] = 0
        water[:] = 0
        for row in range(y * within, (y + 1) * within):
            for x in range(clear.size):
                for column in range(x * within, (x + 1) * within):
                    clear[x] += seen[row, column] & CLEAR != 0
                    water[x] += seen[row, column] & (CLEAR | WATER) == CLEAR | WATER
        for x in range(clear.size):
            bits = np.uint8(CLEAR if clear[x] >= LEAST_CLEAR * within**2 else 0)
            classes[y, x] = bits | np.uint8(WATER if bits and 2 * water[x] > clear[x] else 0)


@njit(nogil=True, cache=True)
def _reduce_band(stored, nodata, seen, within, means):
    """Mean of the clear values among each pixel's ``within`` x ``within``; ``means`` stays where there is none."""
    sums, counts = np.empty(means.shape[1]), np.empty(means.shape[1], np.int64)
    for y in range(means.shape[0]):
        sums[:] = 0
        counts[:] = 0
        for row in range(y * within, (y + 1) * within):
            for x in range(counts.size):
                for column in range(x * within, (x + 1) * within):
                    value = np.float64(stored[row, column])
                    if seen[row, column] & CLEAR and value != nodata and value == value:
                        sums[x] += value
                        counts[x] += 1
        for x in range(counts.size):
            if counts[x]:
                means[y, x] = sums[x] / counts[x]
