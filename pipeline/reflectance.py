"""Read scenes onto the run's grid: the only file that reads pixels of scenes.

Values stay as stored, with scale and offset beside them: the composite turns them into reflectance on the
fly, which saves a float32 copy of every band.
"""

import numpy as np
from odc.geo.geobox import GeoBox
from odc.loader import RasterLoadParams, RasterSource, RioReader
from rasterio.errors import RasterioError

from pipeline.errors import SceneError
from pipeline.scene import CLEAR, Band, Scene


def read_classes(scene: Scene, grid: GeoBox) -> np.ndarray:
    """Pixel classes (uint8 bits of `scene`) of the scene's quality layer on ``grid``, nearest neighbour.

    0 where the scene does not reach; all CLEAR where the product has no quality layer.
    Raises SceneError for an unreadable file.
    """
    if scene.quality is None or scene.rule is None:
        return np.full(grid.shape, CLEAR, "uint8")
    try:
        return scene.rule.classes(_read(scene, scene.quality, grid, "nearest"))
    except ValueError as error:
        raise SceneError(f"scene {scene.id}: {error}; correct it") from error


def read_band(scene: Scene, name: str, grid: GeoBox) -> np.ndarray:
    """Stored values of a band on ``grid``, its nodata where the scene does not reach.

    Copied where the grids agree, else warped with area weights (average): a finer band is averaged, a
    shifted one mixed, a coarser one repeated; no value is invented. Raises SceneError for an unreadable file.
    """
    return _read(scene, scene.bands[name], grid, "average")


def _read(scene: Scene, band: Band, grid: GeoBox, resampling: str) -> np.ndarray:
    how = RasterLoadParams(
        fill_value=band.nodata,
        src_nodata_override=band.nodata,
        resampling=resampling,
        use_overviews=False,  # they may be nearest or wavelet values, not means
    )
    try:
        inside, pixels = RioReader(RasterSource(band.path, band.index), None).read(how, grid)
    except RasterioError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot be read ({error}); get the product again") from error
    except OverflowError as error:
        raise SceneError(f"scene {scene.id}: {band.path} cannot hold the declared nodata {band.nodata}") from error
    if pixels.shape == grid.shape:
        return pixels
    stored = np.full(grid.shape, band.nodata, pixels.dtype)
    stored[inside] = pixels
    return stored
