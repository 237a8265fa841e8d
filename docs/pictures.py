"""Draw the pictures of the README from the results of the sample run (``make zones`` first)."""

import sys
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import pandas as pd
import rioxarray
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from PIL import Image

ROOT = Path(__file__).parent.parent
RUN = ROOT / "out" / "sample"
BREAKS = (-5, -2, -0.5, -0.2, -0.05, 0.05, 0.2, 0.5, 2, 5)
SINK = {"cmap": "PuOr", "norm": BoundaryNorm(BREAKS, 256, extend="both")}
STORIES = {
    "F05": ("burns in 2022", "#b35806", 0),
    "G04": ("recovers", "#542788", 0.012),
    "G02": ("stays", "#666666", -0.012),
    "G05": ("degrades", "#d95f02", 0),
}
"""Zone: what happens to it, colour, and shift of its label in NDVI."""


def sink_map(axes: Axes, zones: gpd.GeoDataFrame) -> None:
    """Sink of each zone given, t CO2/ha/yr, on the run's grid (km)."""
    for zone in zones.itertuples():
        (path,) = (RUN / "zones" / zone.zone_id).glob("*_sink_*.tif")
        raster = rioxarray.open_rasterio(path, mask_and_scale=True).squeeze()
        left, bottom, right, top = (edge / 1000 for edge in raster.rio.bounds())
        axes.imshow(raster, extent=(left, right, bottom, top), interpolation="nearest", **SINK)
        outline = gpd.GeoSeries([zone.geometry]).scale(0.001, 0.001, origin=(0, 0)).boundary
        outline.plot(ax=axes, color="#333333", linewidth=0.5)
        axes.annotate(zone.zone_id, ((left + right) / 2, top + 0.5), fontsize=7, ha="center", va="bottom")
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
    axes.set(xlabel="easting, km (EPSG:32649)", ylabel="northing, km")
    left, bottom, right, top = zones.total_bounds / 1000
    margin = 0.04 * (top - bottom)
    axes.set(xlim=(left - margin, right + margin), ylim=(bottom - margin, top + margin))


def sheet_picture() -> None:
    """The map sheet of the burnt forest, small enough for a page."""
    with Image.open(RUN / "zones" / "F05" / "F05_sheet.png") as sheet:
        width = 1400
        small = sheet.convert("RGB").resize(
            (width, round(width * sheet.height / sheet.width)), Image.Resampling.LANCZOS
        )
        # of 256 colours by the widest cover: rare ones, such as a class of the map, stay what they are
        small = small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        small.save(ROOT / "docs" / "sheet.png", optimize=True)


def main() -> None:
    if not (RUN / "zones.gpkg").is_file():
        sys.exit(f"{RUN}: no results are there; run `make zones` first")
    zones = gpd.read_file(RUN / "zones.gpkg", layer="zones").to_crs(32649)
    years = pd.read_csv(RUN / "by_year.csv")
    figure = plt.figure(figsize=(12, 7.2), layout="constrained")
    city, burnt, series = figure.subplot_mosaic([["city", "burnt"], ["city", "series"]], width_ratios=[1, 1.1]).values()

    sink_map(city, zones)
    city.set_title("Carbon sink, 2019-2021 to 2023-2025", fontsize=11)
    sink_map(burnt, zones[zones.zone_id == "F05"])
    scale = figure.colorbar(ScalarMappable(**SINK), ax=city, shrink=0.6, pad=0.02, spacing="uniform", ticks=BREAKS)
    scale.set_label("sink, t CO$_2$/ha/yr (removal positive)")
    burnt.set_title("F05: a quarter of the forest burns in 2022", fontsize=11)
    for zone, (story, colour, shift) in STORIES.items():
        rows = years[years.zone_id == zone]
        series.plot(rows.year, rows.ndvi_mean, marker="o", color=colour, markersize=4)
        place = (2025.15, rows.ndvi_mean.iloc[-1] + shift)
        series.annotate(f"{zone} {story}", place, color=colour, va="center", fontsize=9)
    series.set(xlim=(2018.8, 2027.2), xticks=range(2019, 2026), ylabel="mean peak NDVI")
    series.set_title("Four zones, year by year", fontsize=11)
    series.tick_params(labelsize=8)
    series.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Bundled sample: simulated scenes over schematic zones, not a measurement of Baotou", fontsize=10)
    figure.savefig(ROOT / "docs" / "sample.png", dpi=110)
    sheet_picture()


if __name__ == "__main__":
    main()
