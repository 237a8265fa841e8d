"""A simulated job for the benchmark: scenes, zones, coefficients and a config in one folder.

    python -m bench.data FOLDER --megapixels 36 [--mirrored] [--native]

Six dates of one season in the form in which Sentinel-2 L2A comes (baseline 05.10: the offset of 1000 is in the pixels),
22 ragged zones over some 40 % of the area. Values are noisy, so that they compress as badly as real ones; their level
means nothing. One seed; a folder made with the same parameters is kept.
"""

import argparse
import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin
from scipy.ndimage import zoom

from bench.measure import ROOT

CRS = "EPSG:32649"
LEFT, TOP, RESOLUTION = 500_000, 4_600_000, 10
DAYS = ("2024-07-16", "2024-07-24", "2024-08-01", "2024-08-09", "2024-08-17", "2024-08-25")
BANDS = {"B04": "red", "B08": "nir", "B11": "swir16", "SCL": "scl"}
AT_20_M = ("B11", "SCL")
ECOSYSTEMS = ["林地"] * 12 + ["草地"] * 5 + ["湿地"] * 5
PER_SIDE = 5
COVERED = 0.43
SEED = 49
LAYOUT = 2
"""Increase this number when this file makes other data."""


def make_job(folder: Path, megapixels: float, mirrored: bool, native: bool) -> None:
    """Fill ``folder`` unless it already holds this job. ``mirrored`` makes the area four times as large by mirrors of
    the same pixels; ``native`` leaves B11 and SCL at 20 m, as the agency delivers them."""
    made_with = {"megapixels": megapixels, "mirrored": mirrored, "native": native, "layout": LAYOUT}
    stamp = folder / "made_with.json"
    if stamp.is_file() and json.loads(stamp.read_text()) == made_with:
        return
    shutil.rmtree(folder, ignore_errors=True)
    side = round((megapixels * 1e6) ** 0.5 / 2) * 2
    rng = np.random.default_rng(SEED)
    land = _smooth(side, rng)
    for day in DAYS:
        scene = folder / "scenes" / f"S2A_49TXN_{day.replace('-', '')}_0_L2A"
        scene.mkdir(parents=True)
        for band, pixels in _acquisition(land, rng).items():
            _write_band(scene / f"{band}.tif", np.pad(pixels, [(0, side * mirrored)] * 2, "symmetric"), native)
        (scene / f"{scene.name}.json").write_text(json.dumps(_stac_item(scene.name, day)))
    _zones(side * RESOLUTION * (1 + mirrored)).to_file(folder / "zones.gpkg", layer="zones")
    (folder / "config.yaml").write_text(json.dumps(_config()))
    reset_coefficients(folder)
    stamp.write_text(json.dumps(made_with))


def reset_coefficients(folder: Path) -> None:
    """Copy the project's coefficients into the job, where they may be changed."""
    shutil.copytree(ROOT / "configs" / "coefficients", folder / "coefficients", dirs_exist_ok=True)


def _config() -> dict:
    """JSON is YAML."""
    return {
        "name": "bench",
        "simulated": True,
        "scenes": {"path": "scenes", "years": 2024},
        "zones": {"path": "zones.gpkg", "columns": {"id": "id", "name": "name", "ecosystem": "kind"}},
        "grid": {"crs": CRS, "resolution_m": RESOLUTION},
        "composite": {"indices": ["ndvi", "ndmi"]},
        "deliverables": [],  # sheets and project have no counterpart in the limit, nor have the draws
        "uncertainty": {"draws": 0},
        "periods": {"current": 2024},
        "coefficients": "coefficients",
    }


def _stac_item(name: str, day: str) -> dict:
    declared = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [],
        "properties": {
            "datetime": f"{day}T03:30:00Z", "s2:product_type": "S2MSI2A", "s2:processing_baseline": "05.10",
            "earthsearch:boa_offset_applied": False,
        },
        "assets": {
            key: {"href": f"./{band}.tif", **({} if band == "SCL" else {"raster:bands": declared})}
            for band, key in BANDS.items()
        },
    }  # fmt: skip


def _smooth(side: int, rng: np.random.Generator) -> np.ndarray:
    """Random field (side, side), 0 to 1, float32, with patterns from a sixth of the side down to some 100 m."""
    total = np.zeros((side, side), "float32")
    for cells, weight in ((6, 0.5), (60, 0.3), (600, 0.2)):
        coarse = rng.random((cells, cells), dtype="float32")
        total += weight * zoom(coarse, side / cells, order=1, mode="nearest", grid_mode=True)
    return total


def _acquisition(land: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Stored pixels of one date: B04, B08 and B11 as uint16 with the offset of 1000 in them, SCL as uint8."""
    sky = _smooth(land.shape[0], rng)
    cloud, shadow = sky > 0.62, np.roll(sky, (30, 20), (0, 1)) > 0.62
    water = land < 0.25
    green = np.clip(1.8 * land - 0.4, 0, 1) + rng.normal(0, 0.03)
    green += np.float32(0.03) * rng.standard_normal(land.shape, "float32")
    reflectance = {"B04": 0.14 - 0.11 * green, "B08": 0.18 + 0.25 * green, "B11": 0.30 - 0.16 * green}
    pixels = {}
    for (band, values), of_water in zip(reflectance.items(), (0.05, 0.03, 0.01), strict=True):
        values[water] = of_water
        values += np.float32(0.004) * rng.standard_normal(land.shape, "float32")
        values[cloud] += 0.35
        pixels[band] = np.clip(values * 1e4 + 1000, 1, 65535).astype("uint16")
    classes = np.where(green > 0.25, 4, 5).astype("uint8")
    for where, code in ((water, 6), (shadow, 3), (sky > 0.60, 8), (cloud, 9)):
        classes[where] = code
    return pixels | {"SCL": classes}


def _write_band(path: Path, pixels: np.ndarray, native: bool) -> None:
    step = 2 if native and path.stem in AT_20_M else 1
    pixels = np.ascontiguousarray(pixels[::step, ::step])
    with rasterio.open(
        path, "w", driver="GTiff", width=pixels.shape[1], height=pixels.shape[0], count=1, dtype=pixels.dtype, crs=CRS,
        transform=from_origin(LEFT, TOP, RESOLUTION * step, RESOLUTION * step), nodata=0, tiled=True, blockxsize=512,
        blockysize=512, compress="DEFLATE", zlevel=6, predictor=2, num_threads="ALL_CPUS",
    ) as file:  # fmt: skip
        file.write(pixels, 1)


def _zones(extent_m: float) -> gpd.GeoDataFrame:
    """22 ragged outlines of 1000 points, in cells of a 5 x 5 grid, the same at any extent."""
    rng = np.random.default_rng(SEED)
    cell = extent_m / PER_SIDE
    typical = (COVERED * PER_SIDE**2 / len(ECOSYSTEMS) / np.pi) ** 0.5
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    outlines = []
    for row, column in rng.permutation(list(np.ndindex(PER_SIDE, PER_SIDE)))[: len(ECOSYSTEMS)]:
        waves = sum(rng.uniform(0, 0.3 / n) * np.sin(n * angle + rng.uniform(0, 7)) for n in (2, 3, 5, 8, 13, 40))
        size = typical * rng.uniform(0.7, 1.2)
        radius = cell * np.clip(size * (1 + waves + rng.normal(0, 0.01, angle.size)), 0.05, 0.47)
        x, y = cell * (np.array([column, row]) + 0.5 + rng.uniform(-0.03, 0.03, 2))
        outlines.append(
            shapely.Polygon(np.column_stack([LEFT + x + radius * np.cos(angle), TOP - y + radius * np.sin(angle)]))
        )
    names = [f"Z{number:02}" for number in range(1, len(outlines) + 1)]
    return gpd.GeoDataFrame({"id": names, "name": names, "kind": ECOSYSTEMS}, geometry=outlines, crs=CRS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megapixels", type=float, required=True)
    parser.add_argument("--mirrored", action="store_true")
    parser.add_argument("--native", action="store_true")
    make_job(**vars(parser.parse_args()))
