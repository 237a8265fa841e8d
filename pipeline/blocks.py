"""Blocks and cells: squares of pixels of which only those that are needed are decoded (blocks of a file) or computed
(cells of a tile). Pure."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from pipeline.execution.compiled import njit

BLOCK_PX = 512
"""The usual block of a tiled GeoTIFF: grid and reading windows start at multiples of it."""

CELL_PX = 32
"""Side of a cell; a block is 16 x 16 of them."""

Blocks = np.ndarray
Cells = np.ndarray
"""(rows, columns) bool: which blocks or cells of a window are needed."""


@njit(nogil=True, cache=True)
def blocks_with(classes, bit, but):
    """The blocks with at least one pixel whose class has the ``bit`` and that the mask ``but`` leaves out; ``classes``
    and ``but`` are (rows, columns)."""
    height, width = classes.shape
    found = np.zeros((-(-height // BLOCK_PX), -(-width // BLOCK_PX)), np.bool_)
    for y in range(height):
        row = found[y // BLOCK_PX]
        for column in range(row.size):
            if not row[column]:
                for x in range(column * BLOCK_PX, min(width, (column + 1) * BLOCK_PX)):
                    if classes[y, x] & bit and not but[y, x]:
                        row[column] = True
                        break
    return found


def cells_of(blocks: Blocks, shape: tuple[int, int]) -> Cells:
    """The cells in the needed blocks, cropped to ``shape`` (rows, columns)."""
    step = BLOCK_PX // CELL_PX
    return blocks.repeat(step, 0).repeat(step, 1)[: shape[0], : shape[1]]


def blocks_of(cells: Cells) -> Blocks:
    """The blocks that hold a needed cell."""
    for axis, size in enumerate(cells.shape):
        cells = np.logical_or.reduceat(cells, np.arange(0, size, BLOCK_PX // CELL_PX), axis)
    return cells


def grown(cells: Cells) -> Cells:
    """``cells`` and the ones around each of them."""
    wide = np.pad(cells, 1)
    rows = wide[:-2] | wide[1:-1] | wide[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def packed(cells: Cells) -> str:
    """Cells as text, for comparison."""
    return np.packbits(cells).tobytes().hex()


def rectangles(
    asked: Blocks | Cells | None, shape: tuple[int, int], side: int = BLOCK_PX
) -> Iterator[tuple[slice, slice]]:
    """The windows (rows, columns) of the squares ``asked`` for, cropped to ``shape``: neighbours in a row make one
    window, and all of ``shape`` is one where ``asked`` is None."""
    if asked is None or np.all(asked):
        yield slice(0, shape[0]), slice(0, shape[1])
        return
    for row, squares in enumerate(asked.tolist()):
        changes = [place for place, (a, b) in enumerate(pairwise([False, *squares, False])) if a != b]
        for first, end in zip(changes[::2], changes[1::2], strict=True):
            yield tuple(
                slice(low * side, min(high * side, size))
                for low, high, size in ((row, row + 1, shape[0]), (first, end, shape[1]))
            )


def pixel_box(grid: GeoBox, geometry: shapely.Geometry) -> tuple[slice, slice]:
    """The window of ``grid`` that holds the geometry; empty where they do not meet."""
    left, bottom, right, top = geometry.bounds
    (x0, y0), (x1, y1) = grid.wld2pix(left, top), grid.wld2pix(right, bottom)
    return tuple(
        slice(int(np.clip(np.floor(low), 0, size)), int(np.clip(np.ceil(high), 0, size)))
        for low, high, size in ((y0, y1, grid.height), (x0, x1, grid.width))
    )
