"""The sample data: what SOURCE.md says of it holds, and the generator still gives it. No pipeline code here."""

import json
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pystac
import pytest
import rasterio
import shapely
from pyproj import Geod

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SCENES = SAMPLE / "scenes"
ITEM_PATHS = sorted(SCENES.glob("sentinel-2-l2a/*/*.json"))
HA_PER_WANMU = 10_000 / 15
PLAN_WANMU = {"林地": 309, "草地": 1220, "湿地": 18}
UNCHANGED = ["F09", "F12", "G02", "G03", "W01", "W02", "W04", "W05"]
CLEAR = (4, 5, 6)


@pytest.fixture(scope="module")
def zones():
    return gpd.read_file(SAMPLE / "zones.gpkg", layer="zones")


@pytest.fixture(scope="module")
def stands():
    return gpd.read_file(SAMPLE / "stands.gpkg", layer="stands")


@pytest.fixture(scope="module")
def truth():
    return pd.read_csv(SAMPLE / "truth.csv", encoding="utf-8-sig").set_index(["zone_id", "year"])


@pytest.fixture(scope="module")
def items():
    return [json.loads(path.read_text(encoding="utf-8")) | {"folder": path.parent} for path in ITEM_PATHS]


@pytest.fixture(scope="module")
def generator():
    """The modules of the generator that the tests need."""
    sys.path.insert(0, str(SAMPLE))
    try:
        from simulate import landscape, scenes, stands, truth
    finally:
        sys.path.remove(str(SAMPLE))
    return {"landscape": landscape, "scenes": scenes, "stands": stands, "truth": truth}


@pytest.fixture(scope="module")
def land(generator):
    return generator["landscape"].Landscape.drawn()


def area_ha(geometry):
    return abs(Geod(ellps="GRS80").geometry_area_perimeter(geometry)[0]) / 1e4


def overlaps(layer):
    """Planar area of intersection of every two polygons that meet, as a share of the smaller."""
    left, right = layer.sindex.query(layer.geometry, predicate="intersects")
    pairs = left < right
    one, other = np.asarray(layer.geometry)[left[pairs]], np.asarray(layer.geometry)[right[pairs]]
    return shapely.area(shapely.intersection(one, other)) / np.minimum(shapely.area(one), shapely.area(other))


def mosaic(items, date, asset, landscape):
    """One asset of both tiles of a date on the whole grid, float, NaN where there is no data."""
    whole = np.full((landscape.HEIGHT, landscape.WIDTH), np.nan)
    for item in items:
        if item["properties"]["datetime"].startswith(date):
            with rasterio.open(item["folder"] / item["assets"][asset]["href"]) as file:
                pixels = file.read(1)
                row = round((landscape.TRANSFORM.f - file.transform.f) / landscape.PIXEL_M)
            part = whole[row : row + len(pixels)]
            part[pixels > 0] = pixels[pixels > 0]
    return whole


def ndvi(items, date, landscape, offset):
    red, nir = (mosaic(items, date, asset, landscape) * 1e-4 + offset for asset in ("red", "nir"))
    with np.errstate(divide="ignore"):  # with the wrong offset both bands may come out at 0
        return (nir - red) / (nir + red)


def dates_in_season(items, year):
    dates = {item["properties"]["datetime"][:10] for item in items}
    return sorted(date for date in dates if f"{year}-07-15" <= date <= f"{year}-08-31")


def test_size():
    files = [path for path in SAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 15e6


def test_everything_says_it_is_simulated(zones, items, truth):
    source = (SAMPLE / "SOURCE.md").read_text(encoding="utf-8")
    assert "SIMULATED" in source
    assert "模拟数据" in source
    assert "示意边界" in source
    assert zones["片区名称"].str.endswith("（示意）").all()
    assert truth["simulated"].all()
    assert all(item["properties"]["sinkmap:simulated"] for item in items)
    collection = json.loads((SCENES / "sentinel-2-l2a" / "collection.json").read_text(encoding="utf-8"))
    assert "simulated" in collection["title"]
    assert "SIMULATED" in collection["description"]


def test_zones(zones):
    assert zones.crs == "EPSG:4490"
    assert zones["类型"].value_counts().to_dict() == {"林地": 12, "草地": 5, "湿地": 5}
    assert zones["片区编号"].is_unique
    assert zones.is_valid.all()
    assert (overlaps(zones) == 0).all()
    west, south, east, north = zones.total_bounds
    assert (west > 109.2, east < 111.5, south > 40.2, north < 42.8) == (True,) * 4
    assert max(len(zone.geoms) for zone in zones.geometry) > 1
    assert any(part.interiors for zone in zones.geometry for part in zone.geoms)


def test_zone_areas(zones):
    drawn_wanmu = zones.geometry.map(area_ha) / HA_PER_WANMU
    np.testing.assert_allclose(drawn_wanmu, zones["面积万亩"], rtol=0.003)
    for land_class, plan in PLAN_WANMU.items():
        assert drawn_wanmu[zones["类型"] == land_class].sum() == pytest.approx(plan, rel=0.001)
        assert zones["面积万亩"][zones["类型"] == land_class].sum() == pytest.approx(plan, abs=1e-9)


def test_geopackages_are_version_1_2():
    for name in ("zones.gpkg", "stands.gpkg"):
        header = (SAMPLE / name).read_bytes()[:68]
        assert header.startswith(b"SQLite format 3")
        assert int.from_bytes(header[60:64], "big") == 10_200


def test_shapefile_is_the_geopackage_once_read_as_gbk(zones):
    path = SAMPLE / "zones_gbk.shp"
    assert not path.with_suffix(".cpg").exists()
    assert path.with_suffix(".dbf").read_bytes()[29] == 0
    assert not set(pyogrio.read_dataframe(path).columns) & set(zones.columns) - {"geometry"}
    shapefile = pyogrio.read_dataframe(path, encoding="GBK")
    pd.testing.assert_frame_equal(pd.DataFrame(shapefile.drop(columns="geometry")), zones.drop(columns="geometry"))
    assert shapefile.crs == zones.crs
    assert shapefile.geometry.geom_equals(zones.geometry).all()
    assert all(len(name) <= 5 for name in zones.columns.drop("geometry"))


def test_stands(zones, stands):
    assert stands.crs == "EPSG:4490"
    assert stands["XIAO_BAN"].is_unique
    assert stands.is_valid.all()
    assert overlaps(stands).max() < 1e-9
    assert stands["YU_BI_DU"].between(0, 1).all()
    assert (stands["XJ_2020"] == 0).any()
    zone_of_stand = stands["XIAO_BAN"].str[:3]
    assert zone_of_stand.value_counts().between(25, 80).all()
    stand_ha, zone_ha = stands.geometry.map(area_ha), zones.set_index("片区编号").geometry.map(area_ha)
    share = stand_ha.groupby(zone_of_stand).sum() / zone_ha.filter(like="F")
    assert share.dropna().between(0.895, 0.955).all()
    assert list(share.index[share.isna()]) == ["F10", "F11", "F12"]
    volume_m3 = (stand_ha * stands["XJ_2020"]).sum()
    assert 12 < volume_m3 / zone_ha.filter(like="F").sum() < 25
    larch = stands["XJ_2020"][(stands["YOU_SHI_SZ"] == "华北落叶松") & (stands["XJ_2020"] > 0)] * 3.0 * 1.4 * 0.5158
    assert larch.quantile(0.05) > 9
    assert larch.quantile(0.95) < 15


def test_catalogue_is_valid_and_complete(items):
    found = list(pystac.Catalog.from_file(SCENES / "catalog.json").get_items(recursive=True))
    assert {item.id for item in found} == {item["id"] for item in items}
    for item in items:
        # the schemas of extensions are not at hand offline; those of the core come with pystac
        pystac.Item.from_dict({k: v for k, v in item.items() if k != "folder"} | {"stac_extensions": []}).validate()


def test_items_tell_the_truth_about_their_files(items):
    for item in items:
        assert set(item["assets"]) == {"blue", "green", "red", "nir", "swir16", "scl"}
        for asset in item["assets"].values():
            assert asset["href"].startswith("./")
            with rasterio.open(item["folder"] / asset["href"]) as file:
                assert file.crs.to_epsg() == item["properties"]["proj:epsg"] == 32649
                assert list(file.shape) == asset["proj:shape"]
                assert list(file.transform)[:6] == asset["proj:transform"]
                assert file.dtypes[0] == asset["raster:bands"][0]["data_type"]
                assert file.nodata == asset["raster:bands"][0]["nodata"] == 0
                assert file.profile["tiled"]
                assert file.tags()["SINKMAP_SIMULATED"] == "true"


def test_two_tiles_of_a_date_overlap_by_more_than_10_km(items):
    for time in {item["properties"]["datetime"] for item in items}:
        tiles = [item["assets"]["red"] for item in items if item["properties"]["datetime"] == time]
        north, south = sorted(tiles, key=lambda asset: asset["proj:transform"][5], reverse=True)
        southern_edge = north["proj:transform"][5] + north["proj:transform"][4] * north["proj:shape"][0]
        assert south["proj:transform"][5] - southern_edge >= 10_000


@pytest.mark.parametrize(
    ("date", "baseline", "declared", "true_offset"),
    [("2020-08-11", "02.14", 0, 0), ("2022-08-09", "04.00", -0.1, -0.1), ("2023-08-04", "05.09", -0.1, 0)],
)
def test_ndvi_of_each_offset_regime_is_the_truth(items, truth, land, generator, date, baseline, declared, true_offset):
    landscape = generator["landscape"]
    of_date = [item for item in items if item["properties"]["datetime"].startswith(date)]
    assert {item["properties"]["s2:processing_baseline"] for item in of_date} == {baseline}
    assert {item["assets"]["nir"]["raster:bands"][0]["offset"] for item in of_date} == {declared}
    applied = {item["properties"]["earthsearch:boa_offset_applied"] for item in of_date}
    assert applied == {declared != true_offset}

    clear = np.isin(mosaic(items, date, "scl", landscape), CLEAR)
    shares = land.coverage.multiply(clear.ravel()).tocsr()
    mostly_clear = shares.sum(axis=1) > 0.99 * land.coverage.sum(axis=1)
    expected = truth.xs(int(date[:4]), level="year")["ndvi_mean"].to_numpy()
    error = landscape.zonal_mean(shares, np.nan_to_num(ndvi(items, date, landscape, true_offset))) - expected
    assert mostly_clear.sum() >= 5
    assert np.abs(error[mostly_clear]).max() < 0.01

    wrong_offset = -0.1 if true_offset == 0 else 0
    wrong = landscape.zonal_mean(shares, np.nan_to_num(ndvi(items, date, landscape, wrong_offset))) - expected
    assert np.abs(wrong[mostly_clear]).min() > 0.02


def test_every_place_is_seen_every_season_but_one(items, land, generator):
    unseen = {}
    for year in range(2019, 2026):
        skies = [mosaic(items, date, "scl", generator["landscape"]) for date in dates_in_season(items, year)]
        assert 2 <= len(skies) <= 3
        never = ~np.logical_or.reduce([np.isin(sky, CLEAR) for sky in skies]) & land.in_zone
        unseen[year] = never.sum()
        assert set(land.zone_id[never]) <= {"G03"}
    assert unseen == dict.fromkeys(range(2019, 2026), 0) | {2021: 7}


def test_cloud_share_stays_below_40_percent(items):
    cover = [item["properties"]["eo:cloud_cover"] for item in items]
    assert 30 < max(cover) < 40


def test_end_members_are_the_5th_and_95th_percentile_of_each_stratum(land, generator):
    landscape = generator["landscape"]
    for stratum in landscape.TEXTURES:
        members = land.in_zone & (land.stratum == stratum)
        land_class = land.land_class[members][0]
        pooled = np.concatenate(
            [landscape.ndvi(land.reflectance(year))[members & ~land.open_water(year)] for year in (2019, 2022, 2025)]
        )
        ends = landscape.END_MEMBERS[land_class]
        soil, vegetation = landscape.ndvi(np.array([ends.soil, ends.vegetation]).T)
        assert 0.03 <= soil <= 0.25
        assert vegetation >= 0.45
        np.testing.assert_allclose(np.percentile(pooled, [5, 95]), [soil, vegetation], atol=0.03)


def test_truth_table(truth):
    assert list(truth.columns) == [
        "ndvi_mean",
        "open_water_fraction",
        "fvc_mean",
        "agb_tDM_ha",
        "carbon_tC_ha",
        "simulated",
    ]
    assert len(truth) == 22 * 7
    assert truth.notna().all(axis=None)
    assert (SAMPLE / "truth.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert truth["fvc_mean"].between(0, 1).all()
    water = truth["open_water_fraction"]
    assert (water[~water.index.get_level_values(0).str.startswith("W")] == 0).all()
    assert water.filter(like="W").between(0.1, 0.3).all()


def test_true_carbon_by_hand(generator):
    """Larch of 10, later 20 m3/ha: 10 x 3.0 x 1.29 x .5158 = 19.96 tC/ha; hardwood of 40 that grows to 44 is expanded
    by the bin (40, 100] at both dates."""
    stand, grass = generator["truth"].stand_densities, generator["truth"].grass_agb_t_ha
    assert stand("华北落叶松", 10, 20, 2020) == pytest.approx((30, 19.9615), rel=1e-5)
    assert stand("华北落叶松", 10, 20, 2030) == pytest.approx((60, 39.9229), rel=1e-5)
    assert stand("白桦", 40, 44, 2022) == pytest.approx((58.8, 58.8 * 1.46 * 0.5125))
    assert grass(np.array([0.05, 0.20, 0.50]), "典型草原") == pytest.approx([0, 0.348, 0.779], abs=5e-4)
    assert grass(np.array([0.9]), "荒漠草原") == grass(np.array([0.45]), "荒漠草原")


def test_stories(truth, stands):
    vi, water = truth["ndvi_mean"].unstack(), truth["open_water_fraction"].unstack()
    cover, carbon = truth["fvc_mean"].unstack(), truth["carbon_tC_ha"].unstack()
    assert (vi.loc["G04"].diff().dropna() > 0).all()
    assert vi.loc["G04", 2025] - vi.loc["G04", 2019] > 0.05
    assert (vi.loc["G05"].diff().dropna() < 0).all()
    assert vi.loc["G05", 2025] - vi.loc["G05", 2019] < -0.03
    assert abs(vi.loc["G01", 2025] - vi.loc["G01", 2019]) < 0.01 < np.ptp(vi.loc["G01"])
    assert vi.loc["F05", 2022] - vi.loc["F05", 2021] < -0.08
    assert (vi.loc["F05", 2022:].diff().dropna() > 0).all()
    assert vi.loc["F05", 2025] < vi.loc["F05", 2021]
    assert (water.loc["W03"].diff().dropna() < 0).all()
    assert (cover.loc["W03"].diff().dropna() > 0).all()
    assert (np.ptp(truth.drop(columns="simulated").loc[UNCHANGED].unstack()["carbon_tC_ha"], axis=1) == 0).all()
    assert (np.ptp(vi.loc[UNCHANGED], axis=1) == 0).all()
    growing = ["F01", "F02", "F03", "F04", "F06", "F07", "F08", "F10", "F11"]
    assert (carbon.loc[growing, 2024] > carbon.loc[growing, 2020]).all()

    burnt = stands[stands["XIAO_BAN"].str.startswith("F05") & (stands["XJ_2024"] < 0.5 * stands["XJ_2020"])]
    assert (burnt["XJ_2024"] == 0).sum() >= 5
    assert not (stands["XJ_2024"] < stands["XJ_2020"])[~stands["XIAO_BAN"].str.startswith("F05")].any()


def test_generator_still_gives_the_zones_and_stands(zones, stands, land, generator):
    assert land.zones.geometry.geom_equals(zones.geometry).all()
    drawn = generator["stands"].draw_stands(land)
    pd.testing.assert_frame_equal(pd.DataFrame(drawn.drop(columns="geometry")), stands.drop(columns="geometry"))


def test_generator_still_gives_the_same_pixels(items, land, generator, tmp_path):
    scenes = generator["scenes"]
    acquisition = scenes.ACQUISITIONS[0]
    scenes.write_scene(acquisition, land, tmp_path)
    of_date = [item for item in items if item["properties"]["datetime"].startswith(acquisition.date)]
    assert len(of_date) == 2
    for item in of_date:
        for asset in item["assets"].values():
            with rasterio.open(item["folder"] / asset["href"]) as kept:
                pixels = kept.read(1)
            with rasterio.open(tmp_path / item["id"] / asset["href"]) as again:
                assert np.array_equal(again.read(1), pixels)
