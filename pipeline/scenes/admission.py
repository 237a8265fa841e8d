"""What may be opened as a scene: files on this machine, images and not descriptions, of a plausible size.

A manifest or an item comes from elsewhere. It must not make the machine fetch addresses, read through GDAL's virtual
file systems, or allocate memory for a raster larger than any sensor's.
"""

import re

import numpy as np
import rasterio

from pipeline.errors import SceneError
from pipeline.scenes.integrity import DAMAGED, opened
from pipeline.scenes.scene import Band, Scene

MAX_BLOCK_BYTES = 1 << 30
"""A block is decoded whole, whatever window of it is asked for."""

GDAL_HEADER = 1024
"""Bytes of a file by which GDAL knows its format, blanks before a description left out."""

TILE_INDEX = (".gti.gpkg", ".gti.fgb", ".gti.parquet")
"""Suffixes of tables that GDAL opens as an image composed of other images."""


NO_TEXT = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and what stands for bytes of a name that is no UTF-8."""


def writable(text: str) -> str:
    """A text with the codes of what no file could hold: on Linux a folder may have a name in GBK, as from an archive
    that was packed on Windows."""
    return text.encode(errors="backslashreplace").decode()


def admit(scene: Scene, remote: bool) -> None:
    """Raises SceneError for a file of the scene that is not to be opened, and for a name that no result can hold. With
    ``remote`` GDAL's virtual file systems and descriptions (VRT, WMS, STAC) are let through."""
    for name in (scene.id, scene.sensor, *scene.paths):
        if NO_TEXT.search(name):
            raise SceneError(f"scene {scene.id}: {name!r} holds signs that are no Unicode text; rename it")
    for band in () if remote else scene.layers.values():
        _refuse_remote(scene.id, band)


def _refuse_remote(scene: str, band: Band) -> None:
    if band.path.startswith("/vsi") or "://" in band.path or "<" in band.address:
        raise SceneError(
            f"scene {scene}: {band.path} is not a file on this machine; download it, or set scenes.remote if you trust "
            "it"
        )
    try:
        with opened(band) as file:
            start = file.read(GDAL_HEADER)
    except (OSError, *DAMAGED):
        return  # whoever reads it says what it is
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"<", b"{")) or band.path.lower().endswith(TILE_INDEX):
        raise SceneError(
            f"scene {scene}: {band.path} describes an image elsewhere (VRT, WMS, STAC) and is none; give the image "
            "itself, or set scenes.remote if you trust it"
        )


def refuse_size(scene: str, path: str, width: int, height: int, max_megapixels: float) -> None:
    """Raises SceneError for an image whose header says that it is larger than any sensor's."""
    if width * height > max_megapixels * 1e6:
        raise SceneError(
            f"scene {scene}: {path} says that it has {width} x {height} pixels, more than "
            f"scenes.max_megapixels ({max_megapixels:g}); get the product again, or raise the limit"
        )


def refuse_blocks(scene: str, path: str, file: rasterio.DatasetReader) -> None:
    """Raises SceneError for an image, open as ``file``, whose blocks are larger than any sensor's."""
    of_bands = zip(file.block_shapes, file.dtypes, strict=True)
    size = max(rows * columns * np.dtype(kind).itemsize for (rows, columns), kind in of_bands)
    if size > MAX_BLOCK_BYTES:
        raise SceneError(
            f"scene {scene}: {path} holds blocks of {size / 2**30:.1f} GiB, which are decoded whole; "
            "make it a tiled GeoTIFF"
        )
