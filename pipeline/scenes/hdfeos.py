"""HDF-EOS grids, the format of NASA's land products: HDF4 (HDF-EOS2, MODIS) and HDF5 (HDF-EOS5, VIIRS).

Both describe their grid in the same text, ``StructMetadata.0``. GDAL reads HDF4 in some builds only, and the wheels of
rasterio have none with it; so both are read by their own libraries.
"""

import locale
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock

import h5py
import numpy as np
from odc.geo.geobox import GeoBox
from pyhdf.error import HDF4Error
from pyhdf.SD import SD
from rasterio.transform import from_bounds

from pipeline.errors import SceneError
from pipeline.execution.provenance import stamp

UNREADABLE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)
"""Errors from a damaged file: h5py then gives bytes for names, and types or nothing for datasets."""

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_HDF4 = Lock()
"""The HDF4 library has global state and allows one caller at a time."""


def grid_of(path: str) -> GeoBox:
    """The grid of the (first) grid structure of a file. Raises OSError or another of `UNREADABLE` for an
    unreadable file, ValueError for a grid that is not sinusoidal, which NASA's tiled land products are."""
    return _grid(path, stamp(path))


@lru_cache(maxsize=1024)
def _grid(path: str, _as_it_stands: str) -> GeoBox:
    """Every layer of every tile asks for it, and a file is opened for it each time."""
    text = _structure(path)
    if "SNSOID" not in _value(text, "Projection"):
        raise ValueError("its grid is not sinusoidal")
    radius = float(_value(text, "ProjParams").strip("()").split(",")[0])
    left, top = _pair(text, "UpperLeftPointMtrs")
    right, bottom = _pair(text, "LowerRightMtrs")
    width, height = int(_value(text, "XDim")), int(_value(text, "YDim"))
    if not (width > 0 and height > 0 and np.isfinite([radius, left, bottom, right, top]).all()):
        raise ValueError("its grid has no pixels")
    crs = f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={radius} +units=m +no_defs"
    return GeoBox((height, width), from_bounds(left, bottom, right, top, width, height), crs)


def layers(path: str) -> dict[str, dict]:
    """The datasets of a file by name, each with its attributes (scalars). Raises OSError."""
    if _is_hdf5(path):
        with h5py.File(path) as file:
            return {name: {key: _scalar(value) for key, value in data.attrs.items()} for name, data in _fields(file)}
    with _hdf4(path) as file:
        return {name: file.select(name).attributes() for name in file.datasets()}


def read(path: str, layer: str, window: tuple[slice, slice]) -> np.ndarray:
    """Stored values of a window of a dataset. Raises OSError for an unreadable file, ValueError where the dataset is
    not in it."""
    if _is_hdf5(path):
        with h5py.File(path) as file:
            for name, data in _fields(file):
                if name == layer:
                    return data[window]
        raise ValueError(f"it has no layer {layer!r}")
    with _hdf4(path) as file:
        if layer not in file.datasets():
            raise ValueError(f"it has no layer {layer!r}")
        return _hdf4_window(file.select(layer), window)


def _hdf4_window(data: object, window: tuple[slice, slice]) -> np.ndarray:
    rows, columns = window
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return data[0:1, 0:1][:0]
    return data[rows.start : rows.stop, columns.start : columns.stop]


def _fields(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Datasets of all grids of an HDF-EOS5 file by name."""
    for grid in file.get("HDFEOS/GRIDS", {}).values():
        for name, data in grid.get("Data Fields", {}).items():
            if isinstance(data, h5py.Dataset) and data.ndim == 2:
                yield name, data


def _structure(path: str) -> str:
    if _is_hdf5(path):
        with h5py.File(path) as file:
            text = file.get("HDFEOS INFORMATION/StructMetadata.0")
            if text is None:
                raise ValueError("it has no StructMetadata.0")
            return text.asstr()[()] if h5py.check_string_dtype(text.dtype) else bytes(text[()]).decode()
    with _hdf4(path) as file:
        text = file.attributes().get("StructMetadata.0")
        if not text:
            raise ValueError("it has no StructMetadata.0")
        return text


def _is_hdf5(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC


@contextmanager
def _hdf4(path: str) -> Iterator[SD]:
    with _HDF4:
        if sys.platform == "win32" and not path.isascii():  # the library's fopen takes paths in the locale's encoding
            with suppress(locale.Error):  # older than Windows 10
                locale.setlocale(locale.LC_CTYPE, ".UTF-8")
        try:
            file = SD(path)
            try:
                yield file
            finally:
                file.end()
        except HDF4Error as error:
            if sys.platform == "win32" and not path.isascii():
                raise SceneError(
                    f"{path}: cannot be read ({error}); get the product again or, on Windows before 10, move it to a "
                    "folder of Latin letters"
                ) from error
            raise OSError(str(error)) from error


def _value(text: str, key: str) -> str:
    found = re.search(rf"\b{key}\s*=\s*(\([^)]*\)|\S+)", text)
    if found is None:
        raise ValueError(f"its StructMetadata.0 has no {key}")
    return found[1]


def _pair(text: str, key: str) -> tuple[float, float]:
    x, y = _value(text, key).strip("()").split(",")
    return float(x), float(y)


def _scalar(value: object) -> object:
    """An attribute's value; the first of several."""
    flat = np.ravel(value)
    return flat[0].item() if flat.size and flat.dtype.kind in "iufb" else value
