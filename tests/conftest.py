"""What the tests share: tiny real files, written by hand on one small grid near Baotou."""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import hypothesis
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from pipeline.__main__ import main
from pipeline.config.run_config import read_coefficients

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared" / "real"

CRS, LEFT, TOP, PIXEL = "EPSG:32649", 400_000.0, 4_500_000.0, 10.0
"""UTM 49N; the corner lies at 109.82 E, 40.64 N."""

hypothesis.settings.register_profile("sinkmap", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("sinkmap")


SAMPLING = ("test_docs.py", "test_fit.py", "test_zones_sample.py")
"""Test files that use the run of the sample: they go to one worker, so that the sample runs once."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "sample" if file.endswith(SAMPLING) else file

    return Together(config, log)


@pytest.fixture(scope="session")
def ecosystems():
    """The shipped methods, by name."""
    return read_coefficients(ROOT / "configs" / "coefficients")


def make_grid(rows: int, columns: int, pixel: float = PIXEL) -> GeoBox:
    return GeoBox((rows, columns), from_origin(LEFT, TOP, pixel, pixel), CRS)


def write_tif(path: Path, values, *, left=LEFT, top=TOP, pixel=PIXEL, crs=CRS, **options) -> Path:
    """A raster of (rows, columns) or (bands, rows, columns); ``options`` are those of rasterio."""
    values = np.atleast_3d(np.asarray(values).T).T
    count, height, width = values.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"driver": "GTiff", "crs": crs, "transform": from_origin(left, top, pixel, pixel)} | options
    with rasterio.open(path, "w", width=width, height=height, count=count, dtype=values.dtype, **options) as file:
        file.write(values)
    return path


def write_item(folder: Path, name: str = "A", day: str = "2023-08-01", **changes) -> Path:
    """A STAC item with its red, nir and scl files of 4 x 4 pixels: DN 1900 and 3500, vegetation.

    Of ``changes``, ``properties`` and ``assets`` are added to those of the item (None removes one), ``pixels`` replaces
    the values of files, and any other key replaces that of the item.
    """
    properties = {"datetime": f"{day}T03:30:00Z", "earthsearch:boa_offset_applied": True}
    pixels = {"red": np.uint16(1900), "nir": np.uint16(3500), "scl": np.uint8(4)} | changes.pop("pixels", {})
    assets = {asset: {"href": f"{name}_{asset}.tif"} for asset in pixels} | changes.pop("assets", {})
    for asset, values in pixels.items():
        write_tif(folder / f"{name}_{asset}.tif", np.full((4, 4), values) if np.ndim(values) == 0 else values)
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": None,
        "links": [],
        "properties": _without_none(properties | changes.pop("properties", {})),
        "assets": _without_none(assets),
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(item | changes), encoding="utf-8")
    return path


def _without_none(values: dict) -> dict:
    return {key: value for key, value in values.items() if value is not None}


def write_vector(path: Path, rows: dict[str, list], geometry: list, crs: str | None = CRS, **options) -> Path:
    """A vector file of any format; an encoding goes with ``encoding=``."""
    gpd.GeoDataFrame(rows, geometry=geometry, crs=crs).to_file(path, engine="pyogrio", **options)
    return path


def count_listings(monkeypatch) -> list[Path]:
    """A list that receives each folder that is listed from now on, every time."""
    listed: list[Path] = []
    for name in ("listdir", "scandir"):
        of_os = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path=".", of_os=of_os: listed.append(Path(path)) or of_os(path))
    return listed


def noon(year: int, month: int, day: int) -> datetime:
    """Noon of a day in Baotou."""
    return datetime(year, month, day, 4, tzinfo=UTC)


@pytest.fixture(scope="session")
def sample_run(request, tmp_path_factory):
    """The sample, run once by its command: the finished process and the folder of results."""
    from tiny_world import command

    assert {item.path.name for item in request.session.items if "sample_run" in item.fixturenames} <= set(SAMPLING)

    out = tmp_path_factory.mktemp("sample")
    process = command("zones", ROOT / "configs" / "sample.yaml", "--out", out, timeout=1800)  # it may compile first
    assert process.returncode == 0, process.stderr
    return process, out / "sample"


class Ended(NamedTuple):
    """The result of a command: its exit code and output."""

    code: int
    out: str
    err: str


@pytest.fixture
def sinkmap(monkeypatch, capfd):
    """Runs the command line in this process; a child would first spend seconds on imports."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sinkmap", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        return Ended(stop.value.code, *capfd.readouterr())

    return run
