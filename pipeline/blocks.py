"""The squares of pixels that a tiled GeoTIFF stores as one: what is not asked for of them need not be decoded. Pure."""

from collections.abc import Iterator

import numpy as np

from pipeline.compiled import njit

BLOCK_PX = 512
"""The usual block of a tiled GeoTIFF: grid and reading windows fall on multiples of it."""

Blocks = np.ndarray
"""Of each block of a window, (rows, columns) bool, whether it is asked for."""


@njit(nogil=True, cache=True)
def blocks_with(where, but):
    """The blocks that hold a pixel ``where``, ``but`` not where that is; both (rows, columns), bool or bits."""
    height, width = where.shape
    found = np.zeros((-(-height // BLOCK_PX), -(-width // BLOCK_PX)), np.bool_)
    for y in range(height):
        row = found[y // BLOCK_PX]
        for column in range(row.size):
            if not row[column]:
                for x in range(column * BLOCK_PX, min(width, (column + 1) * BLOCK_PX)):
                    if where[y, x] and not but[y, x]:
                        row[column] = True
                        break
    return found


def rectangles(blocks: Blocks | None, shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """The windows, (rows, columns) within ``shape``, of the blocks that are asked for: neighbours in a row as one, and
    everything as one where ``blocks`` is None."""
    if blocks is None or np.all(blocks):
        yield slice(0, shape[0]), slice(0, shape[1])
        return
    for row, asked in enumerate(blocks):
        for first, end in np.flatnonzero(np.diff(np.pad(np.asarray(asked, "int8"), 1))).reshape(-1, 2).tolist():
            yield tuple(
                slice(low * BLOCK_PX, min(high * BLOCK_PX, size))
                for low, high, size in ((row, row + 1, shape[0]), (first, end, shape[1]))
            )
