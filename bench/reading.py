"""R: the time to read a stack of scenes of each product as a composite does, relative to decoding the same blocks only.

    python -m bench.reading FOLDER

Noisy files in the layout of each product, 2048 pixels of a side (JPEG 2000: 1024), on their own grid. D decodes every
layer whole with the plain library, R goes through the catalogue's scene, its masks and bands. One thread, files in the
page cache, D and R in turn; the answer is the median of the rounds' ratios for each product.
"""

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

import h5py
import numpy as np
import rasterio
from pyhdf.SD import SD, SDC
from rasterio.transform import from_origin

from bench.measure import answer
from pipeline.scenes.catalog import footprint
from pipeline.scenes.layouts import candidates
from pipeline.scenes.reflectance import DECODING, read_bands, read_classes
from pipeline.scenes.scene import Band, Scene

ROUNDS = 7
SIDE = 2048
CRS, LEFT, TOP = "EPSG:32649", 400_000, 4_500_000
STEP = 463.312716527778
BANDS = ("red", "nir")
GTIFF = {"driver": "GTiff", "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "DEFLATE", "predictor": 2}
JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
RNG = np.random.default_rng(6)


def noise(low: int, high: int, dtype: str, side: int = SIDE) -> np.ndarray:
    return RNG.integers(low, high, (side, side)).astype(dtype)


def write(path: Path, values: np.ndarray, pixel: float, how: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", width=values.shape[1], height=values.shape[0], count=1, dtype=values.dtype, crs=CRS,
        transform=from_origin(LEFT, TOP, pixel, pixel), **how,
    ) as file:  # fmt: skip
        file.write(values, 1)


def sentinel2_cog(folder: Path) -> None:
    for band, pixel in (("B04", 10), ("B08", 10)):
        write(folder / f"{band}.tif", noise(300, 3000, "uint16"), pixel, GTIFF)
    write(folder / "SCL.tif", noise(4, 7, "uint8", SIDE // 2), 20, GTIFF)
    assets = {key: {"href": f"{band}.tif"} for key, band in (("red", "B04"), ("nir", "B08"), ("scl", "SCL"))}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "S2", "geometry": None, "links": [], "assets": assets,
            "properties": {"datetime": "2024-08-01T03:30:00Z", "earthsearch:boa_offset_applied": True}}  # fmt: skip
    (folder / "item.json").write_text(json.dumps(item))


def sentinel2_safe(folder: Path) -> None:
    safe = folder / "S2A_MSIL2A_20240801T032541_N0500_R018_T49TDE_20240801T080000.SAFE"
    images = safe / "GRANULE" / "L2A" / "IMG_DATA"
    for name, pixel, side in (("R10m/T_B04_10m", 10, 1024), ("R10m/T_B08_10m", 10, 1024)):
        write(images / f"{name}.jp2", noise(1300, 4000, "uint16", side), pixel, JP2)
    write(images / "R20m/T_SCL_20m.jp2", noise(4, 7, "uint8", 512), 20, JP2)
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>' for band in range(13))
    (safe / "MTD_MSIL2A.xml").write_text(
        "<p><PRODUCT_START_TIME>2024-08-01T03:25:41Z</PRODUCT_START_TIME><PROCESSING_BASELINE>05.10"
        f"</PROCESSING_BASELINE><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>{offsets}</p>"
    )


def landsat(folder: Path) -> None:
    name = "LC09_L2SP_128032_20240801_20240901_02_T1"
    for layer, low, high in (("SR_B4", 8000, 12000), ("SR_B5", 12000, 20000), ("QA_PIXEL", 21824, 21826),
                             ("QA_RADSAT", 0, 2)):  # fmt: skip
        write(folder / f"{name}_{layer}.TIF", noise(low, high, "uint16"), 30, GTIFF)
    scaling = {
        f"REFLECTANCE_{key}_BAND_{n}": v for n in range(1, 8) for key, v in (("MULT", "2.75e-5"), ("ADD", "-0.2"))
    }
    (folder / f"{name}_MTL.json").write_text(json.dumps({"LANDSAT_METADATA_FILE": {
        "PRODUCT_CONTENTS": {"PROCESSING_LEVEL": "L2SP", "COLLECTION_NUMBER": "02"},
        "IMAGE_ATTRIBUTES": {"SENSOR_ID": "OLI_TIRS", "SPACECRAFT_ID": "LANDSAT_9", "DATE_ACQUIRED": "2024-08-01",
                             "SCENE_CENTER_TIME": "03:15:13.8Z", "CLOUD_COVER": "5", "WRS_PATH": "8", "WRS_ROW": "9"},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": scaling,
    }}))  # fmt: skip


def hls(folder: Path) -> None:
    name = "HLS.L30.T49TDE.2024214T031201.v2.0"
    for code in ("B04", "B05"):
        write(folder / f"{name}.{code}.tif", noise(300, 3000, "int16"), 30, GTIFF)
    write(folder / f"{name}.Fmask.tif", noise(64, 66, "uint8"), 30, GTIFF)


def indices() -> dict[str, np.ndarray]:
    return {"NDVI": noise(1000, 8000, "int16"), "VI Quality": noise(0, 64, "uint16"),
            "pixel reliability": noise(0, 2, "int8")}  # fmt: skip


STRUCTURE = (
    f"XDim={SIDE}\nYDim={SIDE}\nUpperLeftPointMtrs=({100 * STEP},{9000 * STEP})\n"
    f"LowerRightMtrs=({(100 + SIDE) * STEP},{(9000 - SIDE) * STEP})\nProjection=GCTP_SNSOID\n"
    "ProjParams=(6371007.181000,0,0,0)\n"
)


def modis_hdf4(folder: Path) -> None:
    folder.mkdir(parents=True)
    file = SD(str(folder / "MOD13A1.A2024209.h26v04.061.hdf"), SDC.WRITE | SDC.CREATE)
    setattr(file, "StructMetadata.0", STRUCTURE)
    for (name, values), kind in zip(indices().items(), (SDC.INT16, SDC.UINT16, SDC.INT8), strict=True):
        data = file.create(f"500m 16 days {name}", kind, values.shape)
        data.setcompress(SDC.COMP_DEFLATE, 6)
        data[:] = values
        data.scale_factor = 10000.0
        data.endaccess()
    file.end()


def viirs_hdf5(folder: Path) -> None:
    folder.mkdir(parents=True)
    with h5py.File(folder / "VNP13A1.A2024209.h26v04.002.h5", "w") as file:
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(STRUCTURE)
        fields = file.create_group("HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_500m/Data Fields")
        for name, values in indices().items():
            data = fields.create_dataset(f"500 m 16 days {name}", data=values, compression="gzip", chunks=(512, 512))
            data.attrs["scale_factor"] = 1e-4


def modis_tif(folder: Path) -> None:
    for name, values in indices().items():
        stored = values.view("uint8") if values.dtype == "int8" else values
        write(folder / f"MOD13Q1.061__250m_16_days_{name.replace(' ', '_')}_doy2024209_aid0001.tif", stored, 250, GTIFF)


PRODUCTS = {
    "Sentinel-2 COG": sentinel2_cog, "Sentinel-2 SAFE": sentinel2_safe, "Landsat C2 L2": landsat, "HLS v2": hls,
    "MOD13 HDF4": modis_hdf4, "VNP13 HDF5": viirs_hdf5, "MOD13 GeoTIFF": modis_tif,
}  # fmt: skip


def decode(layers: list[Band]) -> None:
    """Decode every layer once, whole, with its library in one thread."""
    for band in layers:
        if not band.in_hdf:
            with rasterio.Env(**DECODING), rasterio.open(band.address) as file:
                file.read(band.index)
        elif band.path.endswith(".h5"):
            with h5py.File(band.path) as file:
                file[f"HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_500m/Data Fields/{band.member}"][:]
        else:
            file = SD(band.path)
            file.select(band.member)[:]
            file.end()


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def ratio(scene: Scene) -> float:
    """Median of the ratios of reading a scene to decoding its layers."""
    grid = footprint(scene.id, scene.bands["red"])
    layers = list({(band.path, band.member): band for band in scene.layers.values()}.values())

    def read() -> None:
        read_classes(scene, grid)
        read_bands(scene, BANDS, grid)

    decode(layers)
    read()
    return median(seconds(read) / seconds(lambda: decode(layers)) for _ in range(ROUNDS))


def reading(folder: Path, product: str) -> float:
    """The ratio of a product."""
    place = folder / product.replace(" ", "-")
    if not place.is_dir():
        PRODUCTS[product](place)
    ((_, read),) = candidates(place)
    return ratio(read().using(BANDS))


def all_products(folder: Path) -> dict[str, float]:
    """Ratio by product, each measured in a process of its own, so that memory used for one does not affect the next."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        return dict(zip(PRODUCTS, pool.map(partial(reading, folder), PRODUCTS), strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    answer(all_products(**vars(parser.parse_args())))
