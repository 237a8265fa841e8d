"""What products declare: numbers in their metadata, the scale of their files, and where the files are."""

import os
from math import isfinite
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import rasterio
from rasterio.errors import RasterioIOError

from pipeline.errors import SceneError

PLAUSIBLE = (1e-5, 1e-3)
"""Scales of reflectance and indices stored as integers: 1e-4 almost always, 2.75e-5 of Landsat."""


def number_or_none(given: object) -> float | None:
    """A value of the metadata as a number, None where it is none."""
    try:
        number = float(str(given))
    except ValueError:
        return None
    return number if isfinite(number) else None


def multiplier(scene: str, declared: object) -> float:
    """The factor of stored integers. MOD13 declares 10000 and means a divisor, MOD09 and VIIRS 1e-4 and mean a factor;
    both say 1e-4. Raises SceneError for a value that is neither."""
    number = number_or_none(declared) or 0.0
    factor = 1 / number if number > 1 else number
    if not PLAUSIBLE[0] <= factor <= PLAUSIBLE[1]:
        raise SceneError(
            f"scene {scene}: its scale {declared} is neither a factor nor a divisor of stored integers; "
            "get the product again"
        )
    return factor


def scale_of_tif(scene: str, path: str, index: int, documented: float) -> tuple[float, str]:
    """(factor, where it was found) of a band of a GeoTIFF: its own scale, a ``scale_factor`` among its tags, 1 for
    floating-point values, else the one that the product's user guide documents. Raises SceneError."""
    try:
        with rasterio.open(path, driver="GTiff") as file:  # no description of an image elsewhere
            scale, dtype = file.scales[index - 1], file.dtypes[index - 1]
            tag = file.tags(index).get("scale_factor", file.tags().get("scale_factor"))
    except RasterioIOError as error:
        raise SceneError(f"scene {scene}: {path} cannot be read ({error}); get the product again") from error
    if dtype.startswith("float"):
        return 1.0, "floating-point values"
    if scale != 1:
        return multiplier(scene, scale), "scale of the file"
    if tag is not None:
        return multiplier(scene, tag), "scale_factor of the file"
    return documented, "user guide of the product"


def local_file(href: str, folder: Path) -> Path | None:
    """The file behind an href, relative ones from ``folder``; None for a remote one (pixels are read from disk), for an
    invalid address, and if there is no such file."""
    try:
        parts = urlparse(href)
    except ValueError:
        return None
    if len(parts.scheme) > 1 and parts.scheme != "file":
        return None
    file = url2pathname(parts.path) if parts.scheme == "file" else os.path.normpath(folder / href)
    return Path(file) if os.path.isfile(file) else None  # pathlib raises for a name that is too long
