"""Scenes at least twice as fine as the grid: clouds are masked at the scene's own pixels, and a pixel of the grid takes
the mean of its clear part. A single quality pixel would say nothing about the other pixels within a pixel of the
grid."""

from collections.abc import Iterator

import numpy as np
from odc.geo.geobox import GeoBox

from pipeline.blocks import CELL_PX, Cells, rectangles
from pipeline.compositing.composite import buffer_clouds
from pipeline.compositing.shadow import below_shadow, refuse_below_shadow
from pipeline.scenes.quality import CLEAR, WATER
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.scene import Scene, Stored

STRIP_PX = 4 << 20
"""Most pixels of a scene that are held at once, unless one row of the grid has more."""

LEAST_CLEAR = 0.5
"""Share of a grid pixel that must be clear for it to count."""


def pixels_within(scene: Scene, grid: GeoBox) -> int:
    """How many pixels of the scene's red lie along one of ``grid``'s, a whole number; 1 where less than two do."""
    return max(1, int(abs(grid.resolution.x) / scene.pixel_m + 0.01)) if scene.pixel_m else 1


def clear_means(
    scene: Scene, names: tuple[str, ...], grid: GeoBox, within: int, buffer_m: float, cells: Cells | None = None
) -> tuple[np.ndarray, dict[str, Stored]]:
    """Classes (uint8 bits of `quality`) and bands of a scene on ``grid``, from ``within`` x ``within`` pixels each.

    Clouds grow by ``buffer_m`` first. A grid pixel is CLEAR where at least `LEAST_CLEAR` of it is, WATER where most of
    that is, and its bands are the means of the clear pixels, their nodata where it is not clear. Outside ``cells`` all
    is nodata. Raises SceneError for an unreadable file, and ValueError where the scene's own pixels show that an offset
    was subtracted twice, as means without shadows no longer do.
    """
    classes = np.zeros(grid.shape, "uint8")
    known_and_below = np.zeros(2, "int64")
    bands: dict[str, Stored] = {}
    radius = round(buffer_m * within / abs(grid.resolution.x))
    for place in _strips(grid, within, cells):
        fine = grid[place]
        fine = fine.zoom_to((fine.height * within, fine.width * within))
        seen = buffer_clouds(read_classes(scene, fine.pad(radius)), radius, margin_px=radius)
        clear = seen & CLEAR != 0
        clear_px = _sums(clear, within)
        counted = clear_px >= LEAST_CLEAR * within**2
        watery = 2 * _sums(clear & (seen & WATER != 0), within) > clear_px
        classes[place] = np.where(counted, np.where(watery, CLEAR | WATER, CLEAR), 0)
        found = read_bands(scene, names, fine)
        known_and_below += below_shadow(found["red"], found["nir"])
        for name, (stored, scale, offset, nodata) in found.items():
            if name not in bands:
                bands[name] = np.full(grid.shape, nodata, stored.dtype), scale, offset, nodata
            # a float of Python takes the type of what it is compared with: 1e20 of float32 is not that of float64
            known = clear & (stored != float(nodata)) & (stored == stored)
            known_px = _sums(known, within)
            here = counted & (known_px > 0)
            means = _sums(np.where(known, stored, 0), within)[here] / known_px[here]
            bands[name][0][place][here] = means.round() if stored.dtype.kind in "iu" else means
    refuse_below_shadow(*known_and_below.tolist())
    return classes, bands


def _strips(grid: GeoBox, within: int, cells: Cells | None) -> Iterator[tuple[slice, slice]]:
    """Windows of the wanted part of the grid, each small enough to be read at once."""
    for rows, columns in rectangles(cells, grid.shape, CELL_PX):
        step = max(1, STRIP_PX // ((columns.stop - columns.start) * within**2))
        for top in range(rows.start, rows.stop, step):
            yield slice(top, min(top + step, rows.stop)), columns


def _sums(values: np.ndarray, within: int) -> np.ndarray:
    """Sum of the ``within`` x ``within`` values in each pixel of the grid, float64."""
    height, width = (size // within for size in values.shape)
    # of rows first, which lie in one piece: twice as fast
    rows = values.reshape(height, within, width * within).sum(axis=1, dtype="float64")
    return rows.reshape(height, width, within).sum(axis=2)
