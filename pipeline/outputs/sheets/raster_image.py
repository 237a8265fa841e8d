"""A raster as a picture: read no finer than print resolves, coloured by its classes."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from pipeline.mapping.styles import PALE, RampStyle, rgb


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
