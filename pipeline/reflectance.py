"""Read scenes onto the run's grid: the only file that reads pixels of scenes.

Values stay as stored, with scale and offset beside them: the composite turns them into reflectance on the
fly, which saves a float32 copy of every band.
"""

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.warp import rio_reproject
from odc.loader import RasterLoadParams, RasterSource, RioReader
from rasterio.errors import RasterioError
from rasterio.windows import Window

from pipeline import hdfeos
from pipeline.errors import SceneError
from pipeline.scene import CLEAR, DOUBTFUL, Band, Scene


def read_classes(scene: Scene, grid: GeoBox) -> np.ndarray:
    """Pixel classes (uint8 bits of `scene`) of the scene's quality layers on ``grid``, nearest neighbour.

    0 where the scene does not reach; all CLEAR where the product has no quality layer.
    Raises SceneError for an unreadable file.
    """
    if scene.quality is None or scene.rule is None:
        return np.full(grid.shape, CLEAR, "uint8")
    try:
        classes = scene.rule.classes(_read(scene, scene.quality, grid, "nearest"))
        for check in scene.checks:
            check.refuse(classes, _read(scene, check.band, grid, "nearest"))
    except ValueError as error:
        raise SceneError(f"scene {scene.id}: {error}; correct it") from error
    classes &= 255 - DOUBTFUL
    return classes


def read_band(scene: Scene, name: str, grid: GeoBox) -> np.ndarray:
    """Stored values of a band on ``grid``, its nodata where the scene does not reach.

    Copied where the grids agree, else warped with area weights (average): a finer band is averaged, a
    shifted one mixed, a coarser one repeated; no value is invented. Raises SceneError for an unreadable file.
    """
    return _read(scene, scene.bands[name], grid, "average")


Stored = tuple[np.ndarray, float, float, float]
"""Stored values of a band, their scale, offset and nodata."""


def read_bands(scene: Scene, names: tuple[str, ...], grid: GeoBox) -> dict[str, Stored]:
    """`read_band` of each name with what turns it into reflectance. A layer that two bands share is read once."""
    pixels: dict[tuple, np.ndarray] = {}
    found = {}
    for name in names:
        band = scene.bands[name]
        layer = (band.path, band.member, band.index, band.nodata)
        if layer not in pixels:
            pixels[layer] = read_band(scene, name, grid)
        found[name] = pixels[layer], band.scale, band.offset, band.nodata
    return found


def _read(scene: Scene, band: Band, grid: GeoBox, resampling: str) -> np.ndarray:
    if band.in_hdf:
        return _read_hdf(scene, band, grid, resampling)
    if resampling == "nearest":
        repeated = _read_repeated(scene, band, grid)
        if repeated is not None:
            return repeated
    how = RasterLoadParams(
        fill_value=band.nodata,
        src_nodata_override=band.nodata,
        resampling=resampling,
        use_overviews=False,  # they may be nearest or wavelet values, not means
    )
    try:
        inside, pixels = RioReader(RasterSource(band.address, band.index), None).read(how, grid)
    except RasterioError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot be read ({error}); get the product again") from error
    except OverflowError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot hold the declared nodata {band.nodata}") from error
    if pixels.shape == grid.shape:
        return pixels
    stored = np.full(grid.shape, band.nodata, pixels.dtype)
    stored[inside] = pixels
    return stored


def _read_repeated(scene: Scene, band: Band, grid: GeoBox) -> np.ndarray | None:
    """As `_read`, where each pixel of the file is a whole number of pixels of ``grid`` (20 m on 10 m): repeated, which
    takes a tenth of the time of a warp. None where it is not so."""
    try:
        with rasterio.open(band.address) as file:
            source = GeoBox.from_rio(file) if file.crs else None
            factor = source and _whole_factor(source, grid)
            if not factor:
                return None
            # of the grid's corner in the file, counted in pixels of the grid
            column, row = (round(part * factor) for part in source.wld2pix(grid.affine.c, grid.affine.f))
            window = tuple(
                slice(start // factor, -(-(start + size) // factor))
                for start, size in ((row, grid.height), (column, grid.width))
            )
            inside = tuple(
                slice(max(part.start, 0), min(part.stop, size)) for part, size in zip(window, file.shape, strict=True)
            )
            small = np.full([part.stop - part.start for part in window], band.nodata, file.dtypes[band.index - 1])
            if all(part.start < part.stop for part in inside):
                place = tuple(slice(i.start - w.start, i.stop - w.start) for i, w in zip(inside, window, strict=True))
                small[place] = file.read(band.index, window=Window.from_slices(*inside))
    except RasterioError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot be read ({error}); get the product again") from error
    except OverflowError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot hold the declared nodata {band.nodata}") from error
    large = small.repeat(factor, 0).repeat(factor, 1)
    top, left = row % factor, column % factor
    return np.ascontiguousarray(large[top : top + grid.height, left : left + grid.width])


def _whole_factor(source: GeoBox, grid: GeoBox) -> int | None:
    """Pixels of ``grid`` along one of ``source``, 2 or more; None where their edges do not meet."""
    if source.crs != grid.crs or not (source.axis_aligned and grid.axis_aligned):
        return None
    factors = [a / b for a, b in zip(source.resolution.xy, grid.resolution.xy, strict=True)]
    factor = round(factors[0])
    corner = [part * factor for part in source.wld2pix(grid.affine.c, grid.affine.f)]
    whole = [*(f - factor for f in factors), *(part - round(part) for part in corner)]
    return factor if factor >= 2 and np.abs(whole).max() < 1e-6 else None


def _read_hdf(scene: Scene, band: Band, grid: GeoBox, resampling: str) -> np.ndarray:
    """As `_read`, of a dataset of an HDF file, which GDAL opens in some builds only: its own reader cuts the window
    that ``grid`` needs."""
    try:
        source = hdfeos.grid_of(band.path)
        window = _window(source, grid)
        pixels = hdfeos.read(band.path, band.member, window)
    except (OSError, ValueError) as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot be read ({error}); get the product again") from error
    stored = np.full(grid.shape, band.nodata, pixels.dtype)
    if pixels.size:
        how = compute_reproject_roi(source[window], grid)
        if how.paste_ok and how.read_shrink == 1:
            stored[how.roi_dst] = pixels[how.roi_src]
        else:
            nodata = {"src_nodata": band.nodata, "dst_nodata": band.nodata}
            rio_reproject(pixels, stored, source[window], grid, resampling, **nodata)
    return stored


def _window(source: GeoBox, grid: GeoBox) -> tuple[slice, slice]:
    """The pixels of ``source`` that ``grid`` touches, and two more on each side."""
    reach = grid.extent.to_crs(source.crs, resolution=max(grid.shape) * abs(grid.resolution.x) / 16).boundingbox
    (x0, y0), (x1, y1) = source.wld2pix(reach.left, reach.top), source.wld2pix(reach.right, reach.bottom)
    return tuple(
        slice(int(np.clip(np.floor(low) - 2, 0, size)), int(np.clip(np.ceil(high) + 2, 0, size)))
        for low, high, size in ((y0, y1, source.height), (x0, x1, source.width))
    )
