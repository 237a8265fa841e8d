"""What may be opened as a scene: files on this machine, images and not descriptions, of a size that can be true.

A manifest or an item comes from elsewhere. It must not make the machine fetch addresses, read through GDAL's virtual
file systems, or take memory for a raster that no sensor ever took.
"""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from pipeline.errors import SceneError
from pipeline.scene import Scene

MAX_BLOCK_BYTES = 1 << 30
"""A block is decoded whole, whatever window of it is asked for."""


def admit(scene: Scene, remote: bool, max_megapixels: float) -> None:
    """Raises SceneError for a file of the scene that is not to be opened. A file that cannot be read is left to who
    reads it. With ``remote`` GDAL's virtual file systems and descriptions (VRT, WMS) are let through."""
    for path in scene.paths:
        if not remote:
            _refuse_remote(scene.id, path)
        _refuse_size(scene.id, path, max_megapixels)


def _refuse_remote(scene: str, path: str) -> None:
    if path.startswith("/vsi") or "://" in path:
        raise SceneError(
            f"scene {scene}: {path} is not a file on this machine; download it, or set scenes.remote if you trust it"
        )
    try:
        with Path(path).open("rb") as file:
            start = file.read(64)
    except OSError:
        return
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        raise SceneError(
            f"scene {scene}: {path} describes an image elsewhere (VRT, WMS) and is none; give the image itself, or set "
            "scenes.remote if you trust it"
        )


def _refuse_size(scene: str, path: str, max_megapixels: float) -> None:
    try:
        with rasterio.open(path) as file:
            width, height, blocks, types = file.width, file.height, file.block_shapes, file.dtypes
    except RasterioError:
        return
    if width * height > max_megapixels * 1e6:
        raise SceneError(
            f"scene {scene}: {path} says that it has {width} x {height} pixels, more than scenes.max_megapixels "
            f"({max_megapixels:g}); get the product again, or raise the limit"
        )
    size = max(rows * columns * np.dtype(kind).itemsize for (rows, columns), kind in zip(blocks, types, strict=True))
    if size > MAX_BLOCK_BYTES:
        raise SceneError(
            f"scene {scene}: {path} holds blocks of {size / 2**30:.1f} GiB, which are decoded whole; "
            "make it a tiled GeoTIFF"
        )
