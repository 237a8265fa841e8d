"""`python -m pipeline zones` over the bundled sample: the numbers against its known truth, the files as delivered."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import exactextract
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from tiny_world import DAYS, ROOT, STANDS, YEARS, World, landscape, run_here

SAMPLE = ROOT / "configs" / "sample.yaml"
DATA = ROOT / "data" / "sample"
SINK = "sink_2019-2021_2023-2025"
SINK_CLASS = "sink_class_2019-2021_2023-2025"
CLASSES = ("sink_class", "cover_class")
ASKED = [
    "zone_id",
    "name_zh",
    "ecosystem",
    "area_ha",
    "area_wanmu",
    "declared_wanmu",
    "observed_fraction",
    "clear_obs_median",
    "ndvi_mean",
    "fvc_mean",
    "agb_tDM_ha",
    "carbon_tC_ha",
    "carbon_tC",
    "sink_tCO2_ha_yr",
    "sink_tCO2_yr",
    "method",
    "status",
]
ZONES = [f"F{i:02}" for i in range(1, 13)] + [f"G0{i}" for i in range(1, 6)] + [f"W0{i}" for i in range(1, 6)]


@pytest.fixture(scope="module")
def run(sample_run):
    """The finished process and its folder of results."""
    return sample_run


@pytest.fixture(scope="module")
def results(run):
    return run[1]


@pytest.fixture(scope="module")
def summary(results):
    return pd.read_csv(results / "summary.csv", encoding="utf-8-sig").set_index("zone_id")


@pytest.fixture(scope="module")
def by_year(results):
    """The yearly table beside the truth, whose columns end in _true."""
    truth = pd.read_csv(DATA / "truth.csv", encoding="utf-8-sig").set_index(["zone_id", "year"])
    table = pd.read_csv(results / "by_year.csv", encoding="utf-8-sig").query("level == 'zone'")
    table = table.set_index(["zone_id", "year"])
    assert table.index.sort_values().equals(truth.index.sort_values())
    return table.join(truth.add_suffix("_true"))


@pytest.fixture(scope="module")
def rasters(results):
    return sorted(results.glob("zones/*/*.tif"))


@pytest.fixture(scope="module")
def on_grid(results):
    """The published zones in the CRS of the rasters."""
    return gpd.read_file(results / "zones.gpkg", layer="zones").to_crs("EPSG:32649").set_index("zone_id")


def values(path):
    """A raster in its unit, NaN for nodata."""
    with rasterio.open(path) as file:
        return file.read(1, masked=True).astype(float).filled(np.nan) * file.scales[0]


def zonal(path, zone, *statistics):
    """Exact statistics of a raster over a zone, in its unit (exactextract applies the scale)."""
    found = exactextract.exact_extract(str(path), gpd.GeoDataFrame(geometry=[zone], crs="EPSG:32649"), list(statistics))
    properties = found[0]["properties"]  # of several bands, the first
    return [properties.get(name, properties.get(f"band_1_{name}")) for name in statistics]


# --- tables -----------------------------------------------------------------------------------------------


def test_the_command_ends_well_and_says_nothing_on_stderr(run):
    process, results = run
    assert process.stderr == ""
    assert str(results) in process.stdout.replace("\n", "")


def test_summary_has_a_row_for_each_zone_then_each_ecosystem_then_the_city(summary):
    assert list(summary.index) == [*ZONES, "forest", "grassland", "wetland", "city"]
    assert list(summary["level"]) == ["zone"] * 22 + ["ecosystem"] * 3 + ["city"]
    assert set(ASKED) <= {"zone_id", *summary.columns}
    zones = summary.loc[ZONES]
    assert zones[[name for name in ASKED if name != "zone_id"]].notna().all(axis=None)
    unusual = zones["plausibility"].notna()
    assert list(zones.index[unusual]) == ["F05"]
    assert (zones["status"] == np.where(unusual, "figures outside usual ranges", "ok")).all()


def test_summary_begins_with_the_mark_by_which_excel_knows_utf8(results):
    for name in ("summary.csv", "by_year.csv"):
        assert (results / name).read_bytes().startswith(b"\xef\xbb\xbf")
    assert "示意" in (results / "summary.csv").read_text(encoding="utf-8-sig")


def test_areas_add_up_to_the_plan(summary):
    for name, plan in {"forest": 309, "grassland": 1220, "wetland": 18, "city": 1547}.items():
        assert summary.loc[name, "area_wanmu"] == pytest.approx(plan, rel=0.005)
        assert summary.loc[name, "declared_wanmu"] == pytest.approx(plan, abs=0.01)
    np.testing.assert_allclose(summary["area_ha"], summary["area_wanmu"] * 10_000 / 15, rtol=1e-8)


def test_totals_are_the_sums_of_their_zones(summary):
    zones = summary.loc[ZONES]
    for column in ("area_ha", "carbon_tC", "sink_tCO2_yr"):
        sums = zones.groupby("ecosystem")[column].sum()
        np.testing.assert_allclose(summary.loc[sums.index, column], sums, rtol=1e-8)
        assert summary.loc["city", column] == pytest.approx(zones[column].sum(), rel=1e-8)
    np.testing.assert_allclose(zones["carbon_tC"], zones["carbon_tC_ha"] * zones["area_ha"], rtol=1e-8)
    np.testing.assert_allclose(zones["sink_tCO2_yr"], zones["sink_tCO2_ha_yr"] * zones["area_ha"], rtol=1e-8)


# --- against the truth ------------------------------------------------------------------------------------


def test_yearly_ndvi_is_the_true_one(by_year):
    # noise of a pixel .01; the maximum of about three dates lifts a mean by up to .85 of it, missed peaks lower it
    np.testing.assert_allclose(by_year["ndvi_mean"], by_year["ndvi_mean_true"], atol=0.012)


def test_yearly_cover_is_the_true_one_within_the_error_of_the_linear_model(by_year):
    # reflectance mixes linearly, NDVI does not: up to .02 of cover (SOURCE.md), and up to .01 by the end-members
    np.testing.assert_allclose(by_year["fvc_mean"], by_year["fvc_mean_true"], atol=0.03)


def test_yearly_carbon_is_the_true_one(by_year):
    # stands: exact. Cover-based: that of cover, .03 of some .5; grass near bare soil: .006 of NDVI are 7 % of its AGB
    np.testing.assert_allclose(by_year["carbon_tC_ha"], by_year["carbon_tC_ha_true"], rtol=0.08)
    stands = by_year.loc[[f"F{i:02}" for i in range(1, 10)]]
    np.testing.assert_allclose(stands["carbon_tC_ha"], stands["carbon_tC_ha_true"], rtol=1e-4)


def test_open_water_is_the_true_one(by_year):
    np.testing.assert_allclose(by_year["open_water_fraction"], by_year["open_water_fraction_true"], atol=0.02)


def test_sinks_follow_the_truth(summary, by_year):
    true = by_year["carbon_tC_ha_true"].unstack("year")
    for zone in ZONES[:9]:  # stands: the stocks of the two inventories
        expected = (true.loc[zone, 2024] - true.loc[zone, 2020]) / 4 * 44 / 12
        assert summary.loc[zone, "sink_tCO2_ha_yr"] == pytest.approx(expected, rel=1e-3), zone
    for zone in ZONES[9:]:
        then, now = true.loc[zone, 2019:2021].mean(), true.loc[zone, 2023:2025].mean()
        # the mean NDVI of either period is good to .003, some .3 % of the stock
        error = 0.003 * now * 44 / 12
        assert summary.loc[zone, "sink_tCO2_ha_yr"] == pytest.approx((now - then) / 4 * 44 / 12, rel=0.05, abs=error)


def test_recovery_and_degradation_have_their_sign_and_unchanged_zones_are_near_zero(summary):
    sink = summary["sink_tCO2_ha_yr"]
    assert sink["G04"] > 0.1
    assert sink["G05"] < -0.1
    assert sink["W03"] > 0.1
    assert sink["F09"] == 0
    assert sink[["G02", "G03", "W01"]].abs().max() < 0.05 * min(sink["G04"], -sink["G05"])


def test_the_fire_shows_where_it_burnt_and_the_rest_grows(results, summary, on_grid):
    sink = values(results / "zones" / "F05" / f"F05_{SINK}.tif")
    assert summary.loc["F05", "sink_tCO2_ha_yr"] < 0
    columns = np.nonzero(sink < -8)[1]
    share = columns.size / np.isfinite(sink).sum()
    assert 0.1 < share < 0.35, "a quarter of the zone burnt"
    assert columns.mean() < 0.4 * sink.shape[1], "in the west"
    east = sink[:, sink.shape[1] // 2 :]
    assert np.nanmean(east) > 0.5


# --- rasters ----------------------------------------------------------------------------------------------


def test_each_zone_has_its_rasters_and_no_leftovers(results, rasters):
    expected = {
        f"{zone}_{variable}_{period}.tif"
        for zone in ZONES
        for variable in ("ndvi", "fvc", "agb", "carbon_stock", "clear_count")
        for period in ("2019-2021", "2023-2025")
    } | {f"{zone}_{name}.tif" for zone in ZONES for name in (SINK, "cover_class_2023-2025", SINK_CLASS)}
    # only the wetlands have open water
    expected |= {f"W0{n}_water_occurrence_{period}.tif" for n in range(1, 6) for period in ("2019-2021", "2023-2025")}
    assert {path.name for path in rasters} == expected
    assert all(path.parent.name == path.name[:3] for path in rasters)
    assert not [p for p in results.rglob("*") if ".part" in p.name or ".raw" in p.name]


def test_every_raster_is_a_valid_cog(rasters):
    assert not {path.name: found for path in rasters if not (found := cog_validate(path, quiet=True))[0]}


def test_rasters_say_what_they_hold(rasters):
    units = dict.fromkeys((*CLASSES, "ndvi", "fvc", "clear_count", "water_occurrence"), "1")
    units |= {"agb": "t DM/ha", "carbon_stock": "t C/ha", "sink": "t CO2/ha/yr"}
    for path in rasters:
        zone, rest = path.stem.split("_", 1)
        variable = next(name for name in units if rest.startswith(name))
        with rasterio.open(path) as file:
            assert file.units == (units[variable],) * {"carbon_stock": 2, "sink": 3}.get(variable, 1)
            stored = {"clear_count": ("uint16", 65535), **dict.fromkeys(CLASSES, ("uint8", 0))}
            kinds = stored | {"water_occurrence": ("uint8", 255)}
            assert (file.dtypes[0], file.nodata) == kinds.get(variable, ("int16", -32768))
            assert file.scales[0] == 1 if variable in stored else 0 < file.scales[0] < 1
            assert zone in file.descriptions[0]
            assert any("一" <= letter <= "鿿" for letter in file.descriptions[0])
            tags = file.tags()
            assert "模拟" in tags["NOTE"]
            assert "simulated" in tags["NOTE"]
            assert "不作为交易依据" in tags["NOTE"]
            assert tags["ZONE"] == zone
            assert tags["PERIOD"] == rest.removeprefix(f"{variable}_")
            assert file.crs.to_epsg() == 32649


def test_statistics_in_the_rasters_are_those_of_their_pixels(rasters):
    for path in rasters:
        with rasterio.open(path) as file:
            pixels, tags = file.read(1, masked=True).compressed().astype(float), file.tags(1)
        for name, value in (("MINIMUM", pixels.min()), ("MAXIMUM", pixels.max()), ("MEAN", pixels.mean())):
            assert float(tags[f"STATISTICS_{name}"]) == pytest.approx(value, rel=1e-4, abs=1e-4)
        assert float(tags["STATISTICS_STDDEV"]) == pytest.approx(pixels.std(), rel=1e-3, abs=0.01)


def test_pixel_values_are_physically_possible(rasters):
    limits = dict.fromkeys(CLASSES, (1, 7))
    limits |= {"ndvi": (-1, 1), "fvc": (0, 1), "agb": (0, 300), "carbon_stock": (0, 300), "sink": (-160, 160)}
    limits |= {"clear_count": (0, 21), "water_occurrence": (0, 1)}
    for path in rasters:
        low, high = next(pair for name, pair in limits.items() if f"_{name}_" in path.name)
        pixels = values(path)
        assert low <= np.nanmin(pixels), path.name
        assert np.nanmax(pixels) <= high, path.name


def test_pixels_add_up_to_the_carbon_of_the_table(results, summary, on_grid):
    for zone in ZONES:
        path = results / "zones" / zone / f"{zone}_carbon_stock_2023-2025.tif"
        (total,) = zonal(path, on_grid.geometry[zone], "sum")
        # UTM draws areas up to .08 % too small here; rounding to .01 t/ha leaves a tenth of that where values pile up
        stock = summary.loc[zone, "carbon_tC_ha"]
        assert total * 25 == pytest.approx(summary.loc[zone, "carbon_tC"], rel=1e-3 + 0.001 / stock), zone


def test_pixels_of_the_sink_add_up_to_the_sink_of_the_table(results, summary, on_grid):
    for zone in ZONES:
        (mean,) = zonal(results / "zones" / zone / f"{zone}_{SINK}.tif", on_grid.geometry[zone], "mean")
        assert mean == pytest.approx(summary.loc[zone, "sink_tCO2_ha_yr"], rel=1e-3, abs=1e-3), zone


def test_zonal_mean_by_another_program_is_that_of_the_table(results, summary, on_grid):
    for zone in ZONES:
        for variable in ("fvc", "ndvi"):
            path = results / "zones" / zone / f"{zone}_{variable}_2023-2025.tif"
            (mean,) = zonal(path, on_grid.geometry[zone], "mean")
            assert mean == pytest.approx(summary.loc[zone, f"{variable}_mean"], abs=1e-4), (zone, variable)


def test_the_occurrence_of_water_is_that_of_the_table(results, summary, on_grid):
    """What other programs find in the raster is the open water of the zone; most of it is a class of its own."""
    for zone in ZONES[17:]:
        folder = results / "zones" / zone
        (mean,) = zonal(folder / f"{zone}_water_occurrence_2023-2025.tif", on_grid.geometry[zone], "mean")
        assert 0.1 < mean < 0.25
        assert mean == pytest.approx(summary.loc[zone, "open_water_fraction"], abs=0.005)
        occurrence, classes = (
            values(folder / f"{zone}_{name}_2023-2025.tif") for name in ("water_occurrence", "cover_class")
        )
        assert ((classes == 7) == (occurrence >= 0.495))[~np.isnan(occurrence)].all()


# --- GeoPackage and run record ----------------------------------------------------------------------------


def test_geopackage_holds_the_zones_with_the_numbers_of_the_summary(results, summary):
    table = gpd.read_file(results / "zones.gpkg", layer="zones").set_index("zone_id")
    assert table.crs.to_epsg() == 4490
    assert list(table.index) == ZONES
    assert table.geometry.is_valid.all()
    for column in table.columns.drop("geometry"):
        there, here = table[column], summary.loc[ZONES, column]
        if there.dtype.kind == "f":
            np.testing.assert_allclose(there, here.astype(float), rtol=1e-9, err_msg=column)
        else:
            assert list(there.isna()) == list(here.isna()), column
            assert list(there.dropna()) == list(here.dropna().astype(str)), column


def test_geopackage_is_version_1_2_and_has_chinese_column_titles(results):
    with contextlib.closing(sqlite3.connect(results / "zones.gpkg")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10200,)
        assert database.execute("PRAGMA application_id").fetchone() == (0x47504B47,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        titles = dict(database.execute("SELECT column_name, title FROM gpkg_data_columns WHERE table_name = 'zones'"))
        ((description,),) = database.execute("SELECT description FROM gpkg_contents WHERE table_name = 'zones'")
    assert set(ASKED) <= titles.keys()
    assert all(any("一" <= letter <= "鿿" for letter in title) for title in titles.values())
    assert "模拟" in description


def test_run_record_has_config_checksums_versions_and_seconds(results):
    record = json.loads((results / "run.json").read_text(encoding="utf-8"))
    assert record["config"]["name"] == "sample"
    assert record["config"]["periods"] == {"baseline": [2019, 2020, 2021], "current": [2023, 2024, 2025]}
    inputs = record["inputs"]
    for name in ("zones.gpkg", "stands.gpkg", "forest.yaml", "B04.tif", "SCL.tif"):
        assert any(path.endswith(name) for path in inputs), name
    assert all(len(checksum) == 32 for checksum in inputs.values())
    # 19 dates in two tiles, two dates off the season
    assert len(record["scenes"]) == 34
    assert {"sinkmap", "python", "gdal", "numpy"} <= record["versions"].keys()
    assert set(record["seconds"]) == {"composite", "calibrate", "map", "publish"}
    assert record["set_aside"] == []
    assert "模拟" in record["note"]


# --- again ------------------------------------------------------------------------------------------------


def stamps(results):
    """When each raster of the map stage was written."""
    paths = (path for path in results.glob("zones/*/*.tif") if "_class_" not in path.name)
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.fixture
def copy(results, tmp_path):
    """The results once more, to be run again and changed."""
    return Path(shutil.copytree(results, tmp_path / "again" / "sample"))


def test_a_second_run_decodes_nothing_rewrites_no_raster_and_gives_the_same_table(copy, monkeypatch):
    def never(*arguments):
        raise AssertionError("a scene was read again")

    monkeypatch.setattr("pipeline.compositing.tile_year.read_bands", never)
    monkeypatch.setattr("pipeline.compositing.tile_year.read_classes", never)
    before, table = stamps(copy), (copy / "summary.csv").read_bytes()
    done = run_here(SAMPLE, copy.parent)
    assert (done.composite, done.calibrate, done.map) == ([], [], [])
    assert stamps(copy) == before
    assert (copy / "summary.csv").read_bytes() == table


@pytest.fixture
def bare(tmp_path):
    """The config of the sample without what is made of the results."""
    text = SAMPLE.read_text(encoding="utf-8").replace("../data", str(ROOT / "data"))
    text = text.replace(
        "coefficients: coefficients", f"coefficients: {SAMPLE.parent / 'coefficients'}\ndeliverables: []"
    )
    path = tmp_path / "bare.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_one_zone_is_mapped_alone(copy, bare):
    for zone in ("F03", "G01"):
        for path in (copy / "zones" / zone).iterdir():
            path.unlink()
    before = stamps(copy)
    done = run_here(bare, copy.parent, zone="F03")
    assert len(done.map) == 11
    assert {name[:3] for name in done.map} == {"F03"}
    assert {path.parent.name for path in stamps(copy).keys() - before.keys()} == {"F03"}
    assert stamps(copy).items() >= before.items()
    assert len(run_here(bare, copy.parent).map) == 11


def test_a_year_alone_is_mapped_in_its_own_folder_without_a_sink(copy, by_year, bare):
    before, table = stamps(copy), (copy / "summary.csv").read_bytes()
    done = run_here(bare, copy.parent, year=2025)
    alone = pd.read_csv(copy / "2025" / "summary.csv", encoding="utf-8-sig").set_index("zone_id")
    assert done.composite == []
    assert alone[["sink_tCO2_ha_yr", "sink_tCO2_yr"]].isna().all(axis=None)
    assert alone.loc[ZONES, "status"].str.contains("no sink: one period only").all()
    np.testing.assert_allclose(alone.loc["G04", "ndvi_mean"], by_year.loc[("G04", 2025), "ndvi_mean"], rtol=1e-9)
    names = {path.name for path in (copy / "2025").glob("zones/*/*.tif")}
    assert len(names) == 22 * 5 + 5  # open water in five wetlands
    assert not [name for name in names if "sink" in name]
    assert stamps(copy).items() >= before.items()
    assert (copy / "summary.csv").read_bytes() == table


def test_identical_years_give_a_sink_of_exactly_zero(tmp_path):
    world = World.at(tmp_path)
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, ndvi=landscape(2020, day))
    world.write_stands([(species, volume, volume, shape) for species, volume, _, shape in STANDS])
    done = world.run()
    assert [row["sink_tCO2_yr"] for row in done.rows] == [0] * 8
    for path in world.results.glob("zones/*/*_sink_*.tif"):
        pixels = values(path)
        assert np.isfinite(pixels).any()
        assert not np.any(pixels[np.isfinite(pixels)])
