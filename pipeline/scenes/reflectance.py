"""Read scenes onto the run's grid: the only file that reads pixels of scenes.

Values stay as stored, with scale and offset beside them: the composite turns them into reflectance on the
fly, which saves a float32 copy of every band.
"""

import numpy as np
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from odc.geo.warp import rio_reproject
from odc.loader import RasterLoadParams, RasterSource, RioReader
from rasterio.dtypes import in_dtype_range
from rasterio.errors import RasterioError
from rasterio.windows import Window

from pipeline.blocks import Blocks, pixel_box, rectangles
from pipeline.errors import SceneError, away
from pipeline.scenes import hdfeos
from pipeline.scenes.quality import CLEAR, DOUBTFUL
from pipeline.scenes.scene import INDEX, Band, Scene, Stored

DECODING = {"GDAL_NUM_THREADS": "1"}
"""GDAL (3.10) decodes JPEG 2000 in threads of its own and only logs a failure there: a block of a truncated file comes
back as zeros, or as whatever the memory held. Decoded in the calling thread, the failure is raised as an error."""


def read_classes(scene: Scene, grid: GeoBox, over: np.ndarray | None = None) -> np.ndarray:
    """Pixel classes (uint8 bits of `quality`) of the scene's quality layers on ``grid``, nearest neighbour.

    0 where the scene does not reach; all CLEAR where the product has no quality layer. ``over``, classes of an earlier
    scene, may be written over: memory that is in use already is faster than new memory. Raises SceneError for an
    unreadable file.
    """
    if scene.quality is None or scene.rule is None:
        return np.full(grid.shape, CLEAR, "uint8")
    try:
        classes = scene.rule.classes(_read(scene, scene.quality, grid, "nearest", over=over), in_place=True)
        for check in scene.checks:
            check.refuse(classes, _read(scene, check.band, grid, "nearest"))
    except ValueError as error:
        raise SceneError(f"scene {scene.id}: {error}; correct it") from error
    classes &= 255 - DOUBTFUL
    return classes


def read_band(
    scene: Scene, name: str, grid: GeoBox, blocks: Blocks | None = None, over: np.ndarray | None = None
) -> np.ndarray:
    """Stored values of a band on ``grid``, its nodata where the scene does not reach.

    Copied where the grids agree, else warped with area weights (average): a finer band is averaged, a
    shifted one mixed, a coarser one repeated; no value is invented. Raises SceneError for an unreadable file.

    ``blocks`` tells which blocks of ``grid`` are asked for, all by default; what lies in the others may be left at
    nodata. ``over``, values of an earlier scene, may be written over.
    """
    return _read(scene, scene.bands[name], grid, "average", blocks, over)


def read_bands(
    scene: Scene, names: tuple[str, ...], grid: GeoBox, blocks: Blocks | None = None,
    over: dict[str, Stored] | None = None,
) -> dict[str, Stored]:  # fmt: skip
    """`read_band` of each name with what turns it into reflectance. A layer that two bands share is read once. The
    arrays of ``over``, the result for an earlier scene, may be written over, each once."""
    spare = list({id(stored): stored for stored, *_ in over.values()}.values()) if over else []
    pixels: dict[tuple, np.ndarray] = {}
    found = {}
    for name in names:
        band = scene.bands[name]
        layer = (band.path, band.member, band.index, band.nodata)
        if layer not in pixels:
            pixels[layer] = read_band(scene, name, grid, blocks, spare.pop(0) if spare else None)
        found[name] = pixels[layer], band.scale, band.offset, band.nodata
    return found


def _read(
    scene: Scene, band: Band, grid: GeoBox, resampling: str, blocks: Blocks | None = None,
    over: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    if band.in_hdf:
        return _read_hdf(scene, band, grid, resampling)
    try:
        with rasterio.Env(**DECODING):
            try:
                return _read_raster(band, grid, resampling, blocks, over)
            except RasterioError:  # a file on a network may fail once
                return _read_raster(band, grid, resampling, blocks, over)
    except RasterioError as error:
        raise unreadable(scene.id, band.path, error) from error
    except OverflowError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot hold the declared nodata {band.nodata}") from error


def _read_raster(
    band: Band, grid: GeoBox, resampling: str, blocks: Blocks | None, over: np.ndarray | None
) -> np.ndarray:
    copied = _copy(band, grid, blocks, over)
    return _warp(band, grid, resampling) if copied is None else copied


def _warp(band: Band, grid: GeoBox, resampling: str) -> np.ndarray:
    how = RasterLoadParams(
        fill_value=band.nodata,
        src_nodata_override=band.nodata,
        resampling=resampling,
        use_overviews=False,  # they may be nearest or wavelet values, not means
    )
    inside, pixels = RioReader(RasterSource(band.address, band.index), None).read(how, grid)
    if pixels.shape == grid.shape:
        return pixels
    stored = np.full(grid.shape, band.nodata, pixels.dtype)
    stored[inside] = pixels
    return stored


def _copy(band: Band, grid: GeoBox, blocks: Blocks | None, over: np.ndarray | None = None) -> np.ndarray | None:
    """The values of ``grid`` where each pixel of the file is one or a whole number of pixels of ``grid`` (20 m on 10
    m): they are repeated, which takes a tenth of the time of a warp. None if the grids do not fit."""
    with rasterio.open(band.address) as file:
        source = GeoBox.from_rio(file) if file.crs else None
        factor = source and _whole_factor(source, grid)
        if not factor:
            return None
        # of the grid's corner in the file, counted in pixels of the grid
        column, row = (round(part * factor) for part in source.wld2pix(grid.affine.c, grid.affine.f))
        dtype = file.dtypes[band.index - 1]
        if not in_dtype_range(band.nodata, dtype):
            raise OverflowError
        # nodata is laid only where nothing will be read: filling all of it first would write every pixel twice
        fits = over is not None and (over.shape, over.dtype) == (grid.shape, dtype)
        stored = over if fits else np.empty(grid.shape, dtype)
        if blocks is not None:
            for place in rectangles(~blocks, grid.shape):
                stored[place] = band.nodata
        for place in rectangles(blocks, grid.shape):
            wanted = [slice(p.start + first, p.stop + first) for p, first in zip(place, (row, column), strict=True)]
            # of the file, and what it holds of them, in pixels of the file
            window = [slice(max(w.start // factor, 0), min(-(-w.stop // factor), size))
                      for w, size in zip(wanted, file.shape, strict=True)]  # fmt: skip
            inside = [slice(max(w.start, p.start * factor), min(w.stop, p.stop * factor))
                      for w, p in zip(wanted, window, strict=True)]  # fmt: skip
            if inside != wanted:
                stored[place] = band.nodata
            if any(part.start >= part.stop for part in window):
                continue
            into = stored[tuple(slice(i.start - first, i.stop - first)
                                for i, first in zip(inside, (row, column), strict=True))]  # fmt: skip
            if factor == 1:
                file.read(band.index, window=Window.from_slices(*window), out=into)
                continue
            small = file.read(band.index, window=Window.from_slices(*window))
            top, left = (i.start - p.start * factor for i, p in zip(inside, window, strict=True))
            wide = np.empty((small.shape[0], into.shape[1]), dtype)
            _repeat(small, factor, left, wide)
            _repeat(wide.T, factor, top, into.T)
    return stored


def _repeat(columns: np.ndarray, factor: int, first: int, into: np.ndarray) -> None:
    """Fill the columns of ``into`` with ``columns``, each ``factor`` times, from the repeated column ``first`` on. Each
    step writes one repetition of all columns, which takes less than half the time of `numpy.repeat`."""
    for start in range(factor):
        place = into[:, start::factor]
        begin = (first + start) // factor
        place[:] = columns[:, begin : begin + place.shape[1]]


def _whole_factor(source: GeoBox, grid: GeoBox) -> int | None:
    """Pixels of ``grid`` along one of ``source``, 1 or more; None where their edges do not meet."""
    if source.crs != grid.crs or not (source.axis_aligned and grid.axis_aligned):
        return None
    factors = [a / b for a, b in zip(source.resolution.xy, grid.resolution.xy, strict=True)]
    factor = round(factors[0])
    corner = [part * factor for part in source.wld2pix(grid.affine.c, grid.affine.f)]
    whole = [*(f - factor for f in factors), *(part - round(part) for part in corner)]
    return factor if factor >= 1 and np.abs(whole).max() < 1e-6 else None


def _read_hdf(scene: Scene, band: Band, grid: GeoBox, resampling: str) -> np.ndarray:
    """As `_read`, of a dataset of an HDF file, which GDAL opens only in some builds: the reader of `hdfeos` cuts out
    the window that ``grid`` needs."""
    try:
        source = hdfeos.grid_of(band.path)
        window = _window(source, grid)
        pixels = hdfeos.read(band.path, band.member, window)
    except hdfeos.UNREADABLE as error:
        raise unreadable(scene.id, band.path, error) from error
    if not pixels.size:
        return np.full(grid.shape, band.nodata, pixels.dtype)
    if scene.level == INDEX and band in scene.bands.values():
        _refuse_no_index(scene, band, pixels)
    how = compute_reproject_roi(source[window], grid)
    copied = how.paste_ok and how.read_shrink == 1
    if copied and pixels[how.roi_src].shape == grid.shape:
        return np.ascontiguousarray(pixels[how.roi_src])
    stored = np.full(grid.shape, band.nodata, pixels.dtype)
    if copied:
        stored[how.roi_dst] = pixels[how.roi_src]
    else:
        nodata = {"src_nodata": band.nodata, "dst_nodata": band.nodata}
        rio_reproject(pixels, stored, source[window], grid, resampling, **nodata)
    return stored


def unreadable(scene: str, path: str, error: Exception) -> SceneError:
    """The error for a file of a scene that failed with ``error``: AwayError if its bytes cannot be read either."""
    try:
        with open(path, "rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as gone:
        return away(scene, path, gone)
    return SceneError(f"scene {scene}: {path} cannot be read ({error}); get the product again")


def _refuse_no_index(scene: Scene, band: Band, pixels: np.ndarray) -> None:
    """Raises SceneError for stored values that are no index: a damaged stream of HDF4 is decoded without an error."""
    most = round(1.001 / abs(2 * band.scale))  # of `index_bands`
    # the ends, NaN or not, are found in a fraction of the time that comparing each pixel takes
    above = not pixels.max() <= most and (pixels > most).any()
    if above or (not pixels.min() >= -most and ((pixels < -most) & (pixels != band.nodata)).any()):
        raise SceneError(f"scene {scene.id}: {band.path} holds an index beyond -1 to 1; get the product again")


def _window(source: GeoBox, grid: GeoBox) -> tuple[slice, slice]:
    """The pixels of ``source`` that ``grid`` touches, and two more on each side."""
    reach = grid.extent.to_crs(source.crs, resolution=max(grid.shape) * abs(grid.resolution.x) / 16).boundingbox
    return pixel_box(source, shapely.box(*reach.buffered(2 * abs(source.resolution.x))))
