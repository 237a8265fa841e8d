"""Index, cover model, end-members and composite method as a run's config chooses them."""

import csv
import json

import numpy as np
import pytest
import rasterio
from conftest import make_grid, write_tif
from tiny_world import DAYS, YEARS, World, landscape

from pipeline.calibration import calibration_block
from pipeline.compositing.cube import Cube
from pipeline.config.run_config import read_config
from pipeline.errors import ConfigError
from pipeline.plan import bytes_of_days
from pipeline.run import prepare


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


def configured(world, **settings):
    world.settings.update(settings)
    world.write_config()
    return read_config(world.config)


def prepared(world):
    return prepare(read_config(world.config), world.out)


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def raster(world, name):
    with rasterio.open(world.results / "zones" / name[:3] / name) as file:
        return file.read(1, masked=True) * file.scales[0]


# What a config may not say


@pytest.mark.parametrize(
    ("cover", "says"),
    [
        ({"forest": {"index": "msavi"}}, r"cover\.forest: .*shipped end-members are those of ndvi.*msavi.*calibrate"),
        ({"forest": {"index": "evi"}}, r"cover\.forest\.index: .*'evi2'"),
        ({"forest": {"model": "two_end_member"}}, r"two_end_member, and no other, takes reflectance_sums"),
        ({"forest": {"reflectance_sums": {"soil": 0.5, "vegetation": 0.5}}}, r"two_end_member, and no other"),
        (
            {"wetland": {"index": "kndvi", "model": "two_end_member", "end_members": "calibrate",
                         "reflectance_sums": {"soil": 0.5, "vegetation": 0.5}}},
            r"two_end_member is for ndvi only; with index kndvi take linear",
        ),
        ({"forest": {"end_members": {"soil": 0.01, "vegetation": 0.8}}}, r"soil end-member 0\.010 is outside"),
        (
            {"forest": {"index": "savi", "end_members": {"soil": 0.05, "vegetation": 0.3}}},
            r"vegetation end-member 0\.300 is below 0\.33 \(savi\)",
        ),
        ({"forest": {"end_members": "calibrate", "percentiles": [0.1, 95]}}, r"two percentiles from 0\.5 to 99\.5"),
        ({"forest": {"end_members": "calibrate", "percentiles": [95, 5]}}, r"two percentiles from 0\.5 to 99\.5"),
    ],
)  # fmt: skip
def test_a_cover_that_cannot_be_is_refused_before_a_pixel_is_read(world, cover, says):
    with pytest.raises(ConfigError, match=says):
        configured(world, cover=cover)


def test_a_biomass_model_refuses_an_index_that_it_was_not_calibrated_on(world):
    config = configured(world, cover={"grassland": {"index": "msavi", "end_members": "calibrate"}})
    with pytest.raises(ConfigError, match=r"^cover\.grassland\.index is msavi, but the biomass model of grassland was "
                       r"calibrated on ndvi; set it to ndvi or fit a model on msavi$"):  # fmt: skip
        prepare(config, world.out)


def test_a_geometric_median_refuses_to_mix_bands_with_ndvi_alone(world):
    (red, *_) = sorted(world.scene(YEARS[0], DAYS[0]).glob("*.tif"))
    with rasterio.open(red) as file:
        like = {"crs": file.crs, "transform": file.transform}
        ones = np.ones(file.shape, "int16")
    for layer, values in {"NDVI": 6000 * ones, "PR": 0 * ones, "VIQ": 0 * ones}.items():
        write_tif(world.folder / "scenes" / f"MOD13Q1.A{YEARS[0]}209.h26v04.061_{layer}.tif", values, **like)
    configured(world, composite={"method": "median"})
    assert {scene.level for scene in prepared(world).scenes} == {"surface_reflectance", "index"}
    configured(world, composite={"method": "geometric_median"})
    with pytest.raises(ConfigError, match=r"^composite\.method geometric_median needs bands, and scene MOD13.* brings "
                       r"NDVI alone, beside reflectance such as .*; set it to median, or leave one"):  # fmt: skip
        prepared(world)


def test_the_indices_of_a_run_follow_from_its_covers(world):
    cover = {"forest": {"index": "kndvi", "end_members": "calibrate"}, "grassland": {"end_members": "calibrate"},
             "wetland": {"index": "evi2", "end_members": "calibrate"}}  # fmt: skip
    assert configured(world).indices == ("ndvi",)
    assert configured(world, cover=cover).indices == ("ndvi", "evi2", "kndvi")
    assert configured(world, composite={"indices": ["ndvi", "ndmi"]}).indices == ("ndvi", "ndmi", "evi2", "kndvi")


# A run with an index of its own for one ecosystem


MSAVI_FOREST = {
    "forest": {"index": "msavi", "model": "carlson_ripley", "end_members": {"soil": 0.05, "vegetation": 0.6}}
}


@pytest.fixture(scope="module")
def by_msavi(tmp_path_factory):
    """A world whose forest goes by MSAVI and whose grassland is calibrated, run once."""
    world = World.at(tmp_path_factory.mktemp("msavi"))
    configured(world, cover=MSAVI_FOREST | {"grassland": {"end_members": "calibrate"}})
    world.run()
    return world


def msavi_of(ndvi):
    """MSAVI of the reflectance that `tiny_world` makes of an NDVI, as stored in steps of 1e-4."""
    red = np.rint((0.12 - 0.08 * ndvi) * 1e4) / 1e4
    nir = np.rint((0.12 - 0.08 * ndvi) * (1 + ndvi) / (1 - ndvi) * 1e4) / 1e4
    return 0.5 * (2 * nir + 1 - np.sqrt((2 * nir + 1) ** 2 - 8 * (nir - red)))


def test_zones_are_mapped_by_the_index_of_their_ecosystem(by_msavi):
    """F02 lies from row 10 to 80 and column 130 to 240; the first date is the peak."""
    names = {path.name for path in (by_msavi.results / "zones").rglob("*.tif")}
    assert "F02_msavi_2019-2021.tif" in names
    assert "F02_ndvi_2019-2021.tif" not in names
    assert "G01_ndvi_2019-2021.tif" in names
    assert "G01_msavi_2019-2021.tif" not in names
    expected = np.mean([msavi_of(landscape(year, DAYS[0])) for year in (2019, 2020, 2021)], axis=0)[10:80, 130:240]
    found = raster(by_msavi, "F02_msavi_2019-2021.tif")
    np.testing.assert_allclose(found[:70], expected, atol=1e-4)
    cover = np.mean(
        [np.clip((msavi_of(landscape(year, DAYS[0])) - 0.05) / 0.55, 0, 1) ** 2 for year in (2019, 2020, 2021)], axis=0
    )
    found = raster(by_msavi, "F02_fvc_2019-2021.tif")
    np.testing.assert_allclose(found[:70], cover[10:80, 130:240], atol=5e-4)


def test_tables_name_the_index_and_call_nothing_ndvi_that_is_another(by_msavi):
    by_zone = {row["zone_id"]: row for row in rows(by_msavi.results / "summary.csv")}
    names = {"F02": "msavi", "G01": "ndvi", "city": "msavi | ndvi"}
    assert {zone: by_zone[zone]["index_name"] for zone in names} == names
    assert by_zone["F02"]["ndvi_mean"] == ""
    mean = raster(by_msavi, "F02_msavi_2023-2025.tif")[:70].mean()
    assert float(by_zone["F02"]["index_mean"]) == pytest.approx(mean, abs=2e-3)
    assert by_zone["G01"]["ndvi_mean"] == by_zone["G01"]["index_mean"] != ""


def test_the_cube_keeps_ndvi_the_further_index_and_the_day_of_the_peak(by_msavi):
    cube = prepared(by_msavi).cube
    layers = {path.name for path in (cube.path / "2021").iterdir() if path.is_dir()}
    assert layers == {"ndvi", "msavi", "clear_count", "water_count", "peak_day"}
    peak_day = cube.read(2021, "peak_day", (slice(10, 80), slice(10, 240)))
    assert peak_day.dtype == "uint16"
    assert set(np.unique(peak_day)) == {213}  # August 1


def test_calibrated_end_members_say_what_they_rest_on(by_msavi):
    """G01 is 90 rows by 269.8 columns less a hole of 100 px, clear in all six years."""
    work = json.loads((by_msavi.results / "work" / "end_members.json").read_text("utf-8"))
    record = json.loads((by_msavi.results / "run.json").read_text("utf-8"))["end_members"]
    assert work == record
    rests_on = work["G01"]["calibration"]
    assert rests_on["pixel_years"] == round(6 * (90 * 269.8 - 100))
    assert rests_on["percentiles"] == [5, 95]
    assert rests_on["scene_days"] == [f"{year}: 08-01 08-11" for year in (2019, 2020, 2021, 2023, 2024, 2025)]
    assert work["F02"] == {"soil": 0.05, "vegetation": 0.6, "index": "msavi", "model": "carlson_ripley", "sums": None,
                           "calibration": None}  # fmt: skip


def test_the_printed_block_freezes_the_calibration(by_msavi):
    """Put into the config, it gives the same numbers without a calibration."""
    run = prepared(by_msavi)
    block = calibration_block(run)
    pair = json.loads((by_msavi.results / "work" / "end_members.json").read_text("utf-8"))["G01"]
    fixed = f"{{soil: {pair['soil']}, vegetation: {pair['vegetation']}}}"
    assert block.splitlines() == [
        "cover:",
        f"  grassland: {{end_members: {fixed}}}  # n {pair['calibration']['pixel_years']} pixel-years, "
        "percentiles 5 and 95, 2019-2025",
    ]


def test_cover_classes_of_every_year_and_period_add_up_to_the_zone(by_msavi):
    table = rows(by_msavi.results / "cover_classes.csv")
    area = {row["zone_id"]: float(row["area_ha"]) for row in rows(by_msavi.results / "summary.csv")}
    assert {row["period"] for row in table} == {*map(str, YEARS), "2019-2021", "2023-2025"}
    for zone in ("F01", "F02", "G01", "W01"):
        for period in ("2021", "2019-2021"):
            mine = [row for row in table if (row["zone_id"], row["period"]) == (zone, period)]
            assert sum(float(row["area_ha"]) for row in mine) == pytest.approx(area[zone])
    cover = raster(by_msavi, "F02_fvc_2023-2025.tif")[:70]
    low = next(r for r in table if (r["zone_id"], r["period"], r["class_key"]) == ("F02", "2023-2025", "low"))
    assert float(low["fraction"]) == pytest.approx((cover < 0.3).mean(), abs=0.03)  # years average before and after


def test_back_to_ndvi_leaves_no_map_of_the_other_index(tmp_path):
    world = World.finished(tmp_path)
    configured(world, cover=MSAVI_FOREST)
    changed = world.run()
    assert len(changed.composite) == 12
    assert not list((world.results / "zones").glob("F0?/*_ndvi_*.tif"))
    configured(world, cover={})
    world.run()
    assert not list((world.results / "zones").glob("*/*_msavi_*.tif"))
    assert list((world.results / "zones").glob("F02/F02_ndvi_*.tif"))


# Methods


@pytest.mark.parametrize("method", ["median", "geometric_median"])
def test_a_median_lies_between_the_dates_and_is_that_of_every_year(world, method):
    """The second date is lower by .05; where it is cloudy, the first stands alone."""
    configured(world, composite={"method": method})
    world.run()
    cube, window = prepared(world).cube, (slice(100, 190), slice(20, 290))
    for year in (2019, 2025):
        ndvi = cube.read(year, "ndvi", window) * 1e-4
        first, second = (landscape(year, day)[window] for day in DAYS)
        alone = cube.read(year, "clear_count", window) == 1
        assert alone.any()
        assert ndvi[alone] == pytest.approx(first[alone], abs=2e-3)
        assert ndvi[~alone] == pytest.approx(((first + second) / 2)[~alone], abs=5e-3)
        assert not cube.read(year, "peak_day", window).any()


def test_a_plan_counts_the_days_that_a_median_keeps(world):
    """Two dates a year: int16 of one index, or of two bands."""

    def kept(method):
        configured(world, composite={"method": method})
        return bytes_of_days(prepared(world))

    assert (kept("max_index"), kept("median"), kept("geometric_median")) == (0, 2 * 2, 2 * 2 * 2)


def test_cubes_know_the_type_of_each_layer(tmp_path):
    cube = Cube(tmp_path / "cube.zarr", make_grid(4, 4), 256)
    cube.create()
    cube.add_year(2020, ("ndvi", "clear_count", "peak_day"))
    everywhere = (slice(0, 4), slice(0, 4))
    found = {name: cube.read(2020, name, everywhere) for name in ("ndvi", "clear_count", "peak_day")}
    assert [str(layer.dtype) for layer in found.values()] == ["int16", "uint8", "uint16"]
    assert [layer.max() for layer in found.values()] == [-32768, 0, 0]
