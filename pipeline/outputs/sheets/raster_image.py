"""A raster as a picture: read no finer than print resolves, coloured by its classes, with lines where grey would
mislead."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from pipeline.mapping.styles import PALE, RampStyle, rgb

LINE_MM, LINES_MM = 0.2, 1.5
"""Width of the lines over a map's pixels, and from one to the next."""


def read_decimated(path: Path, pixels: int) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A raster with at most about ``pixels`` columns or rows, from its overviews: physical values of its bands (b, y,
    x), float32 with NaN where nothing is known, and its bounds. Memory is bounded whatever the raster's size."""
    with rasterio.open(path) as file:
        shrink = max(file.width / pixels, file.height / pixels, 1)
        shape = file.count, max(1, round(file.height / shrink)), max(1, round(file.width / shrink))
        stored = file.read(out_shape=shape, masked=True, resampling=Resampling.average)
        values = (stored * np.float32(file.scales[0])).astype("float32").filled(np.nan)
        return values, tuple(file.bounds)


def pale_of(color: str) -> tuple[float, ...]:
    """Red, green and blue (0-1) of a colour mixed with white."""
    return tuple(part / 255 * (1 - PALE) + PALE for part in rgb(color))


def coloured(values: np.ndarray, style: RampStyle, pale: np.ndarray | None = None) -> np.ndarray:
    """RGBA (rows, columns, 4) of values in the classes of a style, transparent where nothing is known, and mixed with
    white where ``pale``."""
    table = np.array([[*rgb(color), 255] for color in style.colors], "uint8")
    image = table[style.classify(np.nan_to_num(values))]
    if pale is not None:
        image[pale] = image[pale] * (1 - PALE) + 255 * PALE
    image[np.isnan(values)] = 0
    return image


def losses(style: RampStyle) -> int:
    """How many classes of a change are losses: the first ones, which lie wholly below zero."""
    return sum(limit <= 0 for limit in style.breaks)


def lined(image: np.ndarray, where: np.ndarray, pixel_mm: float, level: bool = False) -> np.ndarray:
    """An image RGBA with white lines over the pixels ``where``, oblique or ``level`` (horizontal): in print without
    colours they mark pixels that are otherwise equally dark. Its pixels, ``pixel_mm`` wide on the page, are split as
    finely as the lines need."""
    if not where.any():
        return image
    finer = max(1, round(2 * pixel_mm / LINE_MM))
    image, where = (part.repeat(finer, axis=0).repeat(finer, axis=1) for part in (image, where))
    y, x = np.ogrid[: where.shape[0], : where.shape[1]]
    across = (y if level else (x + y) / np.sqrt(2)) * pixel_mm / finer
    image[where & (across % LINES_MM < LINE_MM)] = 255
    return image
