"""U and G: good code that users write for the same result with xarray.

    python -m bench.user JOB exactextract
    python -m bench.user JOB groupby

Both read with rioxarray and Dask, in chunks of whole blocks and without a lock, and keep float32 and NaN, as xarray
wants. U cuts out each zone by its bounding box and takes means with exactextract. G burns the zones into an array of
ids and groups by it (flox, which makes groupby faster, is installed by few). To their advantage: no cloud buffer, one
simple formula for all ecosystems, no statistics, checks or resuming.
"""

import argparse
from pathlib import Path

import dask
import geopandas as gpd
import numpy as np
import rioxarray
import xarray as xr
from exactextract import exact_extract
from rasterio.enums import Resampling
from rasterio.features import rasterize

from bench.measure import answer, measured
from pipeline.execution.cores import available_cores

CHUNKS = {"x": 1024, "y": 1024}
SOIL, VEGETATION, AGB_T_HA, CARBON = 0.08, 0.75, 5.0, 2.6
LAYERS = ("ndvi", "fvc", "agb", "carbon", "clear_count")
MEANS = ["ndvi", "ndmi", "fvc", "agb", "carbon"]


def read(path: Path, like: xr.DataArray | None = None) -> xr.DataArray:
    band = rioxarray.open_rasterio(path, chunks=CHUNKS, lock=False).squeeze("band", drop=True)
    if like is not None and band.shape != like.shape:
        band = band.rio.reproject_match(like, resampling=Resampling.nearest).assign_coords(x=like.x, y=like.y)
    return band


def composite(job: Path) -> xr.Dataset:
    """Peak NDVI and NDMI of the season and the number of clear dates, in memory."""
    ndvi, ndmi, clear = [], [], []
    for scene in sorted((job / "scenes").iterdir()):
        stored = {"red": read(scene / "B04.tif")}
        stored |= {name: read(scene / f"{band}.tif", stored["red"]) for name, band in (("nir", "B08"), ("swir", "B11"))}
        red, nir, swir = (band.where(band > 0) * np.float32(1e-4) - np.float32(0.1) for band in stored.values())
        good = read(scene / "SCL.tif", stored["red"]).isin([4, 5, 6])
        ndvi.append(((nir - red) / (nir + red)).where(good))
        ndmi.append(((nir - swir) / (nir + swir)).where(good))
        clear.append(good)
    layers = {"ndvi": xr.concat(ndvi, "time").max("time"), "ndmi": xr.concat(ndmi, "time").max("time"),
              "clear_count": xr.concat(clear, "time").sum("time", dtype="uint8")}  # fmt: skip
    return xr.Dataset(layers).rio.write_crs(stored["red"].rio.crs).compute()


def with_carbon(composite: xr.Dataset) -> xr.Dataset:
    fvc = ((composite.ndvi - SOIL) / (VEGETATION - SOIL)).clip(0, 1)
    return composite.assign(fvc=fvc, agb=fvc * AGB_T_HA, carbon=fvc * AGB_T_HA * CARBON)


def write(zone: xr.Dataset, name: str, folder: Path) -> None:
    for layer in LAYERS:
        zone[layer].rio.to_raster(
            folder / f"{name}_{layer}.tif", driver="COG", compress="DEFLATE", num_threads="ALL_CPUS"
        )


def by_exactextract(job: Path, folder: Path) -> None:
    season = composite(job)
    zones = gpd.read_file(job / "zones.gpkg")
    for index, zone in zones.iterrows():
        here = with_carbon(season.rio.clip_box(*zone.geometry.bounds))
        exact_extract(here[MEANS], zones.loc[[index]], "mean", output="pandas")
        write(here[list(LAYERS)].rio.clip([zone.geometry]), zone["id"], folder)


def by_groupby(job: Path, folder: Path) -> None:
    season = with_carbon(composite(job))
    zones = gpd.read_file(job / "zones.gpkg")
    burnt = rasterize(zip(zones.geometry, range(1, len(zones) + 1), strict=True), season.ndvi.shape,
                      transform=season.rio.transform(), dtype="uint8")  # fmt: skip
    season = season.assign_coords(zone=(("y", "x"), burnt))
    season[MEANS].groupby("zone").mean()
    for number, zone in enumerate(zones.itertuples(), 1):
        here = season.rio.clip_box(*zone.geometry.bounds)
        write(here.where(here.zone == number), zone.id, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("job", type=Path)
    parser.add_argument("zonal", choices=["exactextract", "groupby"])
    asked = parser.parse_args()
    target = asked.job / asked.zonal
    target.mkdir(exist_ok=True)
    contender = {"exactextract": by_exactextract, "groupby": by_groupby}[asked.zonal]
    with dask.config.set(scheduler="threads", num_workers=available_cores()):
        answer(measured(asked.job, lambda: contender(asked.job, target)))
