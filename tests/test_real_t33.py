"""The whole chain on real Sentinel-2 pixels: two overlapping tiles, five dates of August 2023, 22 drawn zones."""

import csv

import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from tiny_world import ROOT, run_here

from pipeline.scenes.catalog import Wanted, find_scenes
from pipeline.scenes.reflectance import read_band
from pipeline.scenes.season import Season

REAL = ROOT.parent / "shared" / "real"
CONFIG = ROOT / "tests" / "real" / "t33.yaml"
TILE_EDGES = (5_100_000, 5_090_220)
"""Northings where the southern tile ends and where the northern one does, both within G05."""

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real scenes are not part of the repository: ../shared/real"
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("real")


def config_with(folder, **changes):
    """The config of the real scenes without what is made of the results, and with texts changed."""
    text = CONFIG.read_text(encoding="utf-8") + "deliverables: []\n"
    for old, new in ({"../../../shared": str(REAL.parent), "../../configs": str(ROOT / "configs")} | changes).items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "t33.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(out):
    return run_here(config_with(out), out)


def test_every_zone_has_a_row_and_a_stock(done):
    zones = [row for row in done.rows if row["level"] == "zone"]
    assert [row["zone_id"][0] for row in zones] == ["F"] * 12 + ["G"] * 5 + ["W"] * 5
    assert all(row["carbon_tC"] > 0 for row in zones)
    assert done.set_aside == []
    assert all("片区" in row["name_zh"] or any("一" <= letter <= "鿿" for letter in row["name_zh"]) for row in zones)


def test_the_vegetated_summer_looks_like_one(done):
    zones = {row["zone_id"]: row for row in done.rows if row["level"] == "zone"}
    assert all(0.6 < row["ndvi_mean"] < 0.95 for row in zones.values())
    assert all(0.6 < row["fvc_mean"] <= 1 for row in zones.values())
    assert all(1 <= row["clear_obs_median"] <= 10 for row in zones.values())


def test_one_year_gives_stocks_but_no_sink(done, out):
    for row in done.rows:
        assert row["sink_tCO2_yr"] is None
        if row["level"] == "zone":
            assert "no sink: one period only" in row["status"]
    rasters = [path.name for path in out.rglob("*.tif")]
    wet = sum(bool(row["open_water_fraction"]) for row in done.rows if row["level"] == "zone")
    assert 0 < wet < 22
    assert len(rasters) == 22 * 5 + wet
    assert not [name for name in rasters if "sink" in name]


def test_a_zone_smaller_than_a_pixel_has_a_number(done):
    assert done.row("W04")["area_ha"] < 1.44
    assert done.row("W04")["observed_fraction"] == pytest.approx(1)
    assert done.row("W04")["carbon_tC"] > 0


def test_a_zone_partly_outside_the_scenes_says_so(done):
    row = done.row("W05")
    assert row["observed_fraction"] == pytest.approx(0.53, abs=0.01)
    assert "46.8% unobserved" in row["status"]
    assert "未观测" in row["status_zh"]


def test_the_border_of_two_tiles_leaves_no_seam(done, out):
    with rasterio.open(out / "t33" / "zones" / "G05" / "G05_ndvi_2023.tif") as file:
        ndvi = file.read(1, masked=True).astype(float).filled(np.nan) * file.scales[0]
        edges = [round((file.transform.f - northing) / 120) for northing in TILE_EDGES]
    steps = np.diff(ndvi, axis=0)
    wide = np.isfinite(steps).sum(axis=1) > 30
    roughness, jump = np.nanmean(np.abs(steps[wide]), axis=1), np.abs(np.nanmean(steps[wide], axis=1))
    row_of_step = np.nonzero(wide)[0] + 1
    near = np.min(np.abs(row_of_step[:, None] - edges), axis=1) <= 1
    assert near.sum() >= 6, "both edges lie in the zone"
    for measure in (roughness, jump):
        assert measure[near].mean() < 1.5 * measure[~near].mean()
        assert measure[near].max() <= measure[~near].max()


def test_stored_pixels_become_the_reflectance_of_vegetation():
    area = shapely.box(499_980, 4_990_200, 609_780, 5_200_020)
    wanted = Wanted((2023,), Season((8, 1), (8, 31)), ("red", "nir"), "EPSG:32633", area)
    scenes, _ = find_scenes(REAL / "sentinel2_l2a", wanted)
    assert len(scenes) == 10
    for scene in scenes:
        with rasterio.open(scene.quality.path) as file:
            vegetation, grid = file.read(1) == 4, GeoBox.from_rio(file)
        red, nir = (
            read_band(scene, name, grid)[vegetation] * scene.bands[name].scale + scene.bands[name].offset
            for name in ("red", "nir")
        )
        # the offset is applied in these copies, though their items declare it: else most would be beyond 1
        ndvi = (nir - red) / (nir + red)
        assert 0.78 < np.median(ndvi) < 0.87, scene.id
        assert np.percentile(red, 99) < 0.2, scene.id


def test_the_geopackage_gives_the_table_of_the_gbk_shapefile(done, out, tmp_path):
    table = (out / "t33" / "summary.csv").read_bytes()
    columns = "{id: ZONE_ID, name: 片区名称, ecosystem: ECO, declared_wanmu: 面积万亩}"
    here = "{id: zone_id, name: name_zh, ecosystem: ecosystem, declared_wanmu: area_wanmu}"
    config = config_with(tmp_path, **{"zones_t33_gbk.shp": "zones_t33.gpkg", columns: here})
    assert run_here(config, out).composite == []
    again = (out / "t33" / "summary.csv").read_bytes()
    assert list(csv.reader(again.decode("utf-8-sig").splitlines())) == list(
        csv.reader(table.decode("utf-8-sig").splitlines())
    )
