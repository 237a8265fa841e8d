"""L, the limit: every result needs the scenes decoded within the zones, and its rasters encoded.

    python -m bench.limit JOB [--changed RASTER ...]

It decodes the blocks of all scenes that touch a zone, and encodes the very rasters that P wrote (read into memory
before the clock starts) by the fastest way to the same COG: the whole raster in a MEM dataset, overviews on it, one
copy with the product's creation options. As many threads as P has, over files. No mask, no index, no totals.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.enums import Resampling
from rasterio.shutil import copy
from rasterio.windows import Window, bounds

from bench.measure import answer, measured, timed
from pipeline.execution.cores import available_cores
from pipeline.outputs.cog import ENCODING, overview_factors


def touched_windows(file: rasterio.DatasetReader, zones: np.ndarray) -> list[Window]:
    """The blocks of the file that touch a zone, neighbours in a row as one window."""
    tree = shapely.STRtree(zones)
    height, width = file.block_shapes[0]
    windows = []
    for top in range(0, file.height, height):
        row = [Window(left, top, min(width, file.width - left), min(height, file.height - top))
               for left in range(0, file.width, width)]  # fmt: skip
        touched = [tree.query(shapely.box(*bounds(w, file.transform)), "intersects").size > 0 for w in row]
        starts_ends = np.flatnonzero(np.diff(np.pad(np.array(touched, int), 1)))
        for first, end in starts_ends.reshape(-1, 2):
            columns = sum(window.width for window in row[first:end])
            windows.append(Window(row[first].col_off, top, columns, row[first].height))
    return windows


def decode(path: Path, zones: np.ndarray) -> None:
    with rasterio.open(path) as file:
        for window in touched_windows(file, zones):
            file.read(1, window=window)


def load(path: Path) -> tuple[np.ndarray, dict, float]:
    """Pixels, profile and scale of a raster."""
    with rasterio.open(path) as file:
        keep = ("width", "height", "count", "dtype", "crs", "transform", "nodata")
        return file.read(1), {key: file.profile[key] for key in keep}, file.scales[0]


def encode(raster: tuple[np.ndarray, dict, float], target: Path) -> None:
    pixels, profile, scale = raster
    with rasterio.open("", "w+", driver="MEM", **profile) as file:
        file.write(pixels, 1)
        how = Resampling.nearest if scale == 1 else Resampling.average
        file.build_overviews(overview_factors(file.width, file.height), how)
        copy(file, target, driver="COG", OVERVIEWS="FORCE_USE_EXISTING", **ENCODING)


def limit(job: Path, changed: list[Path]) -> dict:
    """Time of L, by part; and the time to encode only the rasters ``changed``."""
    scenes = sorted(job.glob("scenes/*/*.tif"))
    zones = gpd.read_file(job / "zones.gpkg").geometry.to_numpy()
    rasters = {path: load(path) for path in sorted(job.glob("out/*/zones/*/*.tif"))}
    folder = job / "limit"
    folder.mkdir(exist_ok=True)

    def encode_all(paths: list[Path]) -> None:
        list(pool.map(lambda path: encode(rasters[path], folder / path.name), paths))

    with ThreadPoolExecutor(available_cores()) as pool:
        encode_all(list(rasters)[:1])

        def work() -> dict:
            start = perf_counter()
            list(pool.map(lambda path: decode(path, zones), scenes))
            decoded = perf_counter()
            encode_all(list(rasters))
            return {"stages": {"decode": decoded - start, "encode": perf_counter() - decoded}}

        found = measured(job, work)
        return found | {"changed": timed(lambda: encode_all(changed))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("job", type=Path)
    parser.add_argument("--changed", type=Path, nargs="*", default=[])
    answer(limit(**vars(parser.parse_args())))
