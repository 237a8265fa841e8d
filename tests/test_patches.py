"""Management patches: they tile the zone, their numbers add up to it, and they come out the same again."""

import re
import zipfile

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from conftest import LEFT, TOP, make_grid, write_tif
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate
from test_coverage import ON_CORNERS
from tiny_world import ZONES, World, box, child, read_csv, run_here

from pipeline.config.run_config import read_config
from pipeline.errors import ConfigError
from pipeline.mapping.patches import (
    PATCH_COLUMNS,
    cover_classes,
    fill_zone,
    ground_classes,
    join_classes,
    min_cells,
    outline_patches,
    patch_class_rows,
    patch_table,
    plan_rows,
    sink_classes,
    split_code,
)
from pipeline.mapping.styles import COVER_KEYS, SINK_KEYS, read_styles
from pipeline.mapping.suggestions import SHIPPED, read_suggestions
from pipeline.outputs.patches import _means, read_values
from pipeline.run import prepare
from pipeline.totals.plausibility import SHIPPED as RANGES
from pipeline.zones.coverage import coverage_fractions
from pipeline.zones.zone import Zone

UNCLEAR = (-0.1, 0.1)
SINK, COVER = SINK_KEYS, COVER_KEYS["sl190"]


def names(keys: tuple[str, ...], found: np.ndarray) -> list[str]:
    return [keys[place] for place in found]


def as_stored(cover: np.ndarray, scheme: str) -> np.ndarray:
    """The values of cover classes in a raster without open water."""
    keys = {style.key: style.value for style in read_styles().with_cover_scheme(scheme).classes["cover_class"]}
    return np.array([keys[name] for name in names(COVER_KEYS[scheme], cover_classes(cover, None, scheme))])


# --- classes ----------------------------------------------------------------------------------------------


def test_a_break_of_cover_belongs_to_the_class_above_it():
    cover = np.array([0, 0.2999, 0.30, 0.4499, 0.45, 0.60, 0.75, 1, np.nan])
    assert names(COVER, cover_classes(cover, None, "sl190")) == [
        "low", "low", "medium_low", "medium_low", "medium", "medium_high", "high", "high", "no_data",
    ]  # fmt: skip


def test_the_five_classes_have_breaks_of_their_own():
    cover = np.array([0, 0.0999, 0.10, 0.2999, 0.30, 0.50, 0.70, 1, np.nan])
    assert names(COVER_KEYS["five"], cover_classes(cover, None, "five")) == [
        "very_low", "very_low", "low", "low", "medium", "medium_high", "high", "high", "no_data",
    ]  # fmt: skip


def test_what_was_mostly_water_is_open_water_and_not_low_cover():
    """Half of its observed years or more; stored in hundredths, two of three years are 0.67."""
    cover = np.array([0, 0, 0.2, 0.6, np.nan])
    water = np.array([1, 0.5, 0.33, 0.67, np.nan])
    assert names(COVER, cover_classes(cover, water, "sl190")) == [
        "open_water", "open_water", "low", "open_water", "no_data",
    ]  # fmt: skip


def test_a_sink_is_a_gain_or_loss_beyond_what_can_be_told_from_none():
    sink = np.array([-2.1, -2.0, 2.0, 2.1, 0.0, np.nan, 5.0])
    detectable = np.array([2.0, 2.0, 2.0, 2.0, 0.0, 2.0, np.nan])
    assert names(SINK, sink_classes(sink, detectable, UNCLEAR)) == [
        "loss", "unclear", "unclear", "gain", "unclear", "not_compared", "not_compared",
    ]  # fmt: skip


def test_where_that_is_not_known_the_range_about_zero_decides():
    sink = np.array([-0.105, -0.1, 0, 0.095, 0.1, np.nan])
    assert names(SINK, sink_classes(sink, None, UNCLEAR)) == [
        "loss", "unclear", "unclear", "unclear", "gain", "not_compared",
    ]  # fmt: skip


def test_ground_of_which_nothing_is_known_is_no_data_and_not_a_sink_of_zero():
    cover, sink = np.array([np.nan, np.nan, 0.5]), np.array([np.nan, 1, np.nan])
    sink, cover = ground_classes(cover, None, sink, None, UNCLEAR, "sl190")
    assert names(SINK, sink) == ["no_data", "gain", "not_compared"]
    assert names(COVER, cover) == ["no_data", "no_data", "medium"]
    sink, _ = ground_classes(np.array([0.5, np.nan]), None, None, None, UNCLEAR, "sl190")
    assert names(SINK, sink) == ["not_compared", "no_data"]


def test_a_code_stands_for_one_pair_of_classes():
    pairs = [(sink, cover) for sink in range(5) for cover in range(7)]
    codes = [int(join_classes(*(np.array([place], "uint8") for place in pair))[0]) for pair in pairs]
    assert sorted(codes) == list(range(1, 36))
    assert [split_code(code, "sl190") for code in codes] == [(SINK[sink], COVER[cover]) for sink, cover in pairs]


def test_the_minimum_is_in_mu_but_never_below_four_cells():
    assert min_cells(15, 10 * 10) == pytest.approx(100)  # 15 mu = 1 ha
    assert min_cells(15, 500 * 500) == 4  # a pixel of 500 m has 375 mu


# --- outlines ---------------------------------------------------------------------------------------------


def blob(seed: int, holes: bool = True) -> shapely.Geometry:
    """An odd outline of about 20 x 20 cells of 10 m within a grid of 30 x 30, with a hole and an island."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 17))
    reach = rng.uniform(70, 140, angle.size)
    middle = np.array([LEFT + 150, TOP - 150])
    zone = shapely.Polygon(middle + np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)).buffer(0)
    if holes:
        zone = zone.difference(shapely.Point(middle + rng.uniform(-30, 30, 2)).buffer(17.3))
        zone = zone.union(shapely.box(LEFT + 3, TOP - 21, LEFT + 26.5, TOP - 4.2))
    return zone


def tiled(seed: int, minimum: float) -> tuple[np.ndarray, np.ndarray, shapely.Geometry]:
    """Patches of random classes in a random zone."""
    grid, zone = make_grid(30, 30), blob(seed)
    rng = np.random.default_rng(seed + 1000)
    coarse = rng.integers(1, 6, (10, 10)).repeat(3, 0).repeat(3, 1)
    codes = np.where(rng.random((30, 30)) < 0.3, rng.integers(1, 6, (30, 30)), coarse).astype("uint8")
    polygons, code = outline_patches(codes, coverage_fractions(grid, zone), grid, minimum)
    return fill_zone(polygons, zone), code, zone


@given(st.integers(0, 10_000), st.sampled_from([1, 4, 9, 40]))
@settings(max_examples=40)
def test_patches_tile_the_zone_without_gaps_or_overlaps(seed, minimum):
    polygons, _, zone = tiled(seed, minimum)
    polygons = polygons[~shapely.is_missing(polygons)]
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(zone.area, rel=1e-9)
    assert shapely.union_all(polygons).symmetric_difference(zone).area < 1e-6 * zone.area
    assert (shapely.area(shapely.intersection(polygons[:-1], polygons[1:])) < 1e-6).all()


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_smoothing_keeps_patches_above_half_the_minimum_inside_the_zone(seed):
    polygons, _, zone = tiled(seed, 9)
    inside = shapely.contains_properly(zone, polygons)
    assert (shapely.area(polygons[inside]) > 9 * 100 / 2).all()


def test_a_slanting_border_is_smoothed_to_a_line_that_both_sides_share():
    grid = make_grid(20, 20)
    codes = np.where(np.tri(20, dtype=bool), 1, 2).astype("uint8")
    polygons, code = outline_patches(codes, np.ones((20, 20)), grid, 4)
    border = shapely.line_merge(shapely.intersection(*polygons))
    assert sorted(code) == [1, 2]
    assert shapely.get_num_coordinates(border) < 8
    assert border.length == pytest.approx(200 * np.sqrt(2), rel=0.1)


def test_three_patches_that_meet_share_the_corner():
    codes = np.ones((8, 8), "uint8")
    codes[4:, :4], codes[4:, 4:] = 2, 3
    polygons, _ = outline_patches(codes, np.ones((8, 8)), make_grid(8, 8), 4)
    corner = (LEFT + 40, TOP - 40)
    assert all(corner in polygon.exterior.coords for polygon in polygons)


TRACE_AT_ONCE = """
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from pipeline.mapping.patches import shapes
ones = np.ones((50, 50), "int32")
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda _: list(shapes(ones, mask=ones > 0)), range(3000)))
"""
"""Without the package's filter the threads print warnings in every run tried."""


def test_threads_that_trace_at_once_warn_of_no_missing_grid():
    done = child("-c", TRACE_AT_ONCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_zone_smaller_than_the_minimum_is_one_patch():
    grid = make_grid(6, 6)
    zone = shapely.box(LEFT + 12, TOP - 25, LEFT + 21, TOP - 13)
    codes = np.arange(1, 37, dtype="uint8").reshape(6, 6) % 5 + 1
    polygons, codes = outline_patches(codes, coverage_fractions(grid, zone), grid, 4)
    assert len(polygons) == 1
    assert fill_zone(polygons, zone)[0].equals(zone)


# --- table ------------------------------------------------------------------------------------------------


def table(area_ha: float = 12.0) -> gpd.GeoDataFrame:
    """Three patches of a zone: gain, loss and no data."""
    zone = Zone("G01", "甲", "grassland", "typical_steppe", area_ha, None, None)
    boxes = [shapely.box(110, 40.60 + k / 1000, 110.001, 40.601 + k / 1000) for k in range(3)]
    places = [("gain", "high"), ("loss", "low"), ("no_data", "no_data")]
    codes = np.array(
        [join_classes(*(np.array([keys.index(key)], "uint8") for keys, key in zip((SINK, COVER), pair, strict=True)))[0]
         for pair in places]
    )  # fmt: skip
    nan = np.nan
    means = {"fvc": np.array([0.8, 0.1, 0.3]), "carbon_stock": np.array([2, 1, nan]), "sink": np.array([1, -2, nan])}
    means["own_class"] = np.array([1.0, 0.75, 1.0])
    return patch_table(zone, gpd.GeoSeries(boxes, crs=4490), codes, means, read_styles(), read_suggestions(), "sl190")


def test_the_patches_have_the_areas_carbon_and_suggestions_of_their_zone():
    patches = table()
    assert [*PATCH_COLUMNS, "geometry"] == list(patches.columns)
    assert patches["patch_id"].tolist() == ["G01-0001", "G01-0002", "G01-0003"]
    assert patches["sink_class_zh"].tolist() == ["碳减少", "碳增加", "无观测"]
    assert patches["suggestion_zh"].tolist() == ["退化草原修复", "维持", "实地核查"]
    assert patches["area_ha"].sum() == pytest.approx(12, rel=1e-12)
    assert patches["area_mu"].tolist() == pytest.approx((patches["area_ha"] * 15).tolist())
    assert patches["carbon_tC"].tolist()[:2] == pytest.approx([4, 8], rel=1e-4)
    assert patches["class_fraction"].tolist() == [0.75, 1.0, 1.0]
    assert patches.loc[2, ["fvc_mean", "carbon_tC", "sink_tCO2_ha_yr"]].isna().all()
    assert patches.crs.to_epsg() == 4490


def test_the_plan_adds_up_to_the_whole_zone():
    rows = plan_rows(table())
    # patches of the same degrees are larger in the south
    assert [row["suggestion"] for row in rows] == ["maintenance", "grassland_restoration", "field_check"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert sum(row["area_mu"] for row in rows) == pytest.approx(180)
    assert {row["suggestion"]: row["carbon_tC"] for row in rows}["field_check"] is None
    assert [row["area_ha"] for row in rows] == sorted((row["area_ha"] for row in rows), reverse=True)


def test_the_summary_counts_the_patches_of_each_class():
    patches = table()
    rows = patch_class_rows(pd.concat([patches, patches]))
    assert [(row["sink_class"], row["patches"]) for row in rows] == [("loss", 2), ("gain", 2), ("no_data", 2)]


# --- suggestions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ecosystem", "sink", "cover", "zh"),
    [
        ("forest", "loss", "low", "补植"),
        ("forest", "loss", "high", "实地核查"),
        ("forest", "unclear", "medium", "低效林改造"),
        ("forest", "gain", "low", "封育"),
        ("grassland", "loss", "medium_low", "退化草原修复"),
        ("grassland", "gain", "low", "维持"),
        ("wetland", "unclear", "low", "维持"),
        ("wetland", "loss", "medium", "湿地植被恢复"),
        ("wetland", "no_data", "no_data", "实地核查"),
    ],
)
def test_the_shipped_table_suggests(ecosystem, sink, cover, zh):
    assert read_suggestions().suggest(ecosystem, sink, cover).zh == zh


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  - {ecosystem: [wetland], suggestion: maintenance}\n", "", "no rule fits wetland x unclear x low; add one"),
        ("suggestion: water_supply", "suggestion: prayer", "suggests 'prayer', which is not among the classes"),
        ("sink: [loss], cover: [very_low, low], suggestion: water", "sink: [lost], suggestion: water", "'lost'"),
    ],
)
def test_a_table_that_leaves_a_patch_without_suggestion_is_refused(tmp_path, old, new, says):
    text = SHIPPED.read_text("utf-8")
    assert old in text
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=says):
        read_suggestions(file)


# --- reading ----------------------------------------------------------------------------------------------


def test_the_last_band_of_the_sink_is_read_as_the_change_that_can_be_detected(tmp_path):
    stored = np.array([[[400, 400, -32768]], [[500, 500, 500]], [[200, 600, 200]]], "int16")
    path = write_tif(tmp_path / "sink.tif", stored, nodata=-32768)
    with rasterio.open(path, "r+") as file:
        file.scales = (0.005, 0.005, 0.005)
    with rasterio.open(path) as file:
        values = read_values({"sink": file})
    assert values["detectable"].tolist() == [pytest.approx([1, 3, 1])]
    found = sink_classes(values["sink"], values["detectable"], UNCLEAR)
    assert names(SINK, found[0]) == ["gain", "unclear", "not_compared"]


# --- a run ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.finished(tmp_path_factory.mktemp("patches"))
    world.settings |= {"deliverables": ["patches"], "patches": {"min_area_mu": 30}}
    world.write_config()
    world.done = world.run()
    return world


@pytest.fixture(scope="module")
def patches(world):
    return read_patches(world)


def read_patches(world) -> gpd.GeoDataFrame:
    found = sorted((world.results / "work" / "patches").glob("*.fgb"))
    return pd.concat([gpd.read_file(path) for path in found], ignore_index=True)


def test_the_patches_of_each_zone_add_up_to_it(world, patches):
    assert set(patches["zone_id"]) == {"F01", "F02", "G01", "W01"}
    zones = gpd.read_file(world.results / "zones.gpkg", layer="zones").set_index("zone_id")
    for zone, group in patches.groupby("zone_id"):
        assert group["area_ha"].sum() == pytest.approx(zones.loc[zone, "area_ha"], rel=1e-9)
        assert group.union_all().symmetric_difference(zones.geometry[zone]).area < 1e-12
        assert shapely.coverage_is_valid(group.geometry.values)
        assert group["patch_id"].is_unique
        assert group["area_mu"].min() > 15 or len(group) == 1


def test_the_means_of_the_patches_add_up_to_the_mean_of_the_zone(world, patches):
    """All of every zone was seen, so that the patches leave nothing out of the means."""
    for zone, group in patches.groupby("zone_id"):
        row = world.done.row(zone)
        assert row["observed_fraction"] > 0.999
        for name in ("fvc_mean", "carbon_tC_ha", "sink_tCO2_ha_yr"):
            mean = (group[name] * group["area_ha"]).sum() / group["area_ha"].sum()
            assert mean == pytest.approx(row[name], rel=2e-3, abs=2e-3)


def test_the_means_are_of_the_pixels_of_the_patch_alone():
    """Its outline runs along the pixels, but for the last bits of its corners."""
    outline = gpd.GeoSeries([ON_CORNERS], crs="EPSG:32649")
    values = {"fvc": np.array([[9, 9, 9, 9], [1, 2, 9, 9], [3, 4, 9, 9], [5, 6, 7, 9], [9, 9, 9, 9]], "float32")}
    found = _means(values, GeoBox((5, 4), from_origin(420_000, 4_518_500, 500, 500), "EPSG:32649"), outline)
    assert found["fvc"] == pytest.approx([24.5 / 6.5])
    assert np.isnan(found["sink"]).all()


def test_the_class_rasters_hold_the_classes_of_every_pixel_with_their_colours(world):
    folder = world.results / "zones" / "G01"
    with rasterio.open(folder / "G01_fvc_2023-2025.tif") as file:
        cover = file.read(1, masked=True).astype(float).filled(np.nan) * file.scales[0]
    path = folder / "G01_cover_class_2023-2025.tif"
    with rasterio.open(path) as file:
        stored = file.read(1)
        assert file.dtypes == ("uint8",)
        assert file.nodata == 0
        assert file.colormap(1)[5] == (0x00, 0x68, 0x37, 255)
        assert "SL 190" in file.descriptions[0]
    inside = stored > 0
    assert (inside >= ~np.isnan(cover)).all()
    # stored cover has steps of 1e-4: beyond the steps about a break the class is that of the value
    assert (stored[inside] == as_stored(cover[inside], "sl190")).all()
    assert cog_validate(path)[0]
    with rasterio.open(folder / "G01_sink_class_2019-2021_2023-2025.tif") as file:
        assert set(np.unique(file.read(1))) <= {0, 1, 2, 3, 4, 5}


def test_the_summary_names_every_class_of_every_zone(world, patches):
    rows = read_csv(world.results / "patches.csv")
    assert sum(int(row["patches"]) for row in rows) == len(patches)
    shares = pd.DataFrame(rows).astype({"share": float}).groupby("zone_id")["share"].sum()
    assert shares.tolist() == pytest.approx([1, 1, 1, 1])


def test_a_second_run_draws_nothing_again_and_a_fresh_one_draws_the_same(world, patches, tmp_path):
    assert world.run().patches == []
    fresh = run_here(world.config, tmp_path, workers=1)
    assert sorted(fresh.patches) == [f"patches-{zone}_2019-2021_2023-2025" for zone in ("F01", "F02", "G01", "W01")]
    for path in (world.results / "work" / "patches").glob("*.fgb"):
        assert path.read_bytes() == (tmp_path / "tiny" / "work" / "patches" / path.name).read_bytes()
    for path in world.results.glob("zones/*/*_class_*.tif"):
        assert path.read_bytes() == (tmp_path / "tiny" / path.relative_to(world.results)).read_bytes()


def test_another_minimum_draws_again(world):
    settings = dict(world.settings)
    world.settings["patches"] = {"min_area_mu": 300}
    world.write_config()
    try:
        assert len(world.run().patches) == 4
        coarse = read_patches(world)
        assert coarse["area_mu"].min() > 150
    finally:
        world.settings.update(settings)
        world.write_config()
        world.run()


def test_the_five_classes_reach_rasters_styles_legends_patches_and_project(tmp_path):
    world = World.finished(tmp_path)
    world.settings |= {"cover_classes": "five", "deliverables": ["patches", "styles", "project"]}
    world.write_config()
    world.run()
    folder = world.results / "zones" / "G01"
    with rasterio.open(folder / "G01_fvc_2023-2025.tif") as file:
        cover = file.read(1, masked=True).astype(float).filled(np.nan) * file.scales[0]
    with rasterio.open(folder / "G01_cover_class_2023-2025.tif") as file:
        stored = file.read(1)
        assert file.colormap(1)[2] == (0xD9, 0xF0, 0xA3, 255)
        assert "（五级）" in file.descriptions[0]
    inside = stored > 0
    assert (stored[inside] == as_stored(cover[inside], "five")).all()
    assert len(np.unique(stored[inside])) > 2
    for name in ("G01_cover_class_2023-2025.qml", "G01_cover_class_2023-2025.tif.aux.xml"):
        text = (folder / name).read_text("utf-8")
        assert "低覆盖（10-30%）" in text
        assert "中低覆盖" not in text
    assert "30 – 50 %" in (folder / "G01_fvc_2023-2025.qml").read_text("utf-8")
    known = {style.zh for style in read_styles().with_cover_scheme("five").classes["cover_class"]}
    assert set(read_patches(world)["cover_class_zh"]) <= known
    with zipfile.ZipFile(world.results / "tiny.qgz") as file:
        project = file.read("tiny.qgs").decode()
    assert "低覆盖（10-30%）" in project
    assert "30 – 50" in project
    assert "30 – 45" not in project


def test_styles_without_the_five_classes_say_so(tmp_path):
    styles = read_styles()
    lacking = styles.model_copy(update={"ramps": {k: ramp for k, ramp in styles.ramps.items() if k != "fvc_five"}})
    with pytest.raises(ConfigError, match="cover_classes is five, which has no ramp fvc_five"):
        lacking.with_cover_scheme("five")


def test_one_year_alone_has_cover_classes_and_says_that_nothing_was_compared(tmp_path):
    world = World.finished(tmp_path)
    world.settings["deliverables"] = ["patches"]
    world.write_config()
    world.run(year=2024)
    folder = world.results / "2024"
    rows = read_csv(folder / "patches.csv")
    assert {row["sink_class_zh"] for row in rows} <= {"未比较", "无观测"}
    assert all(row["carbon_tC"] for row in rows if row["cover_class"] != "no_data")
    assert [path.name for path in folder.glob("zones/G01/*class*")] == ["G01_cover_class_2024.tif"]


def test_ground_that_clouds_cover_is_a_patch_of_its_own(tmp_path):
    """Its carbon is not that of the seen cells at its rim, but in F01 that of the stands."""
    from tiny_world import DAYS, YEARS, box, clouds_over

    world = World.at(tmp_path)
    cloud = shapely.box(LEFT + 3000, TOP - 5700, LEFT + 6000, TOP - 3000)
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, cloud, box(20, 60, 20, 50)))
    world.settings["deliverables"] = ["patches"]
    world.write_config()
    world.run()
    patches = read_patches(world).query("cover_class == 'no_data'")
    assert patches.query("zone_id == 'F01'")["carbon_tC"].notna().all()
    unseen = patches.query("zone_id == 'G01'")
    assert len(unseen) == 1
    assert unseen["suggestion_zh"].tolist() == ["实地核查"]
    assert unseen["class_fraction"].iloc[0] < 1
    assert unseen[["fvc_mean", "carbon_tC_ha", "carbon_tC", "sink_tCO2_ha_yr"]].isna().all(axis=None)
    assert unseen["area_ha"].iloc[0] == pytest.approx(cloud.area / 1e4, rel=0.3)


def test_a_suggestion_table_of_ones_own_is_read_beside_the_config(tmp_path):
    world = World.at(tmp_path)
    mine = world.folder / "mine.yaml"
    mine.write_text(SHIPPED.read_text("utf-8").replace("zh: 维持", "zh: 保持现状"), "utf-8")
    world.settings["patches"] = {"min_area_mu": 30, "suggestions": "mine.yaml"}
    world.write_config()
    run = prepare(read_config(world.config), world.out)
    assert run.suggestions.suggest("forest", "gain", "high").zh == "保持现状"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (SHIPPED, "stratum: [desert_steppe]", "stratum: [desert]", "own.yaml: stratum has no 'desert'; it is one of "),
        (RANGES, "where: desert_steppe", "where: desert", "own.yaml: where has no 'desert'; it is one of forest, "),
    ],
)
def test_a_vegetation_type_that_no_zone_can_have_is_refused(tmp_path, file, old, new, says):
    """Its rule or range would fit nothing, and the next one hold in silence."""
    world = World.at(tmp_path)
    text = file.read_text("utf-8")
    assert old in text
    (world.folder / "own.yaml").write_text(text.replace(old, new), "utf-8")
    world.settings |= {"patches": {"suggestions": "own.yaml"}} if file == SHIPPED else {"plausibility": "own.yaml"}
    world.write_config()
    with pytest.raises(ConfigError, match=re.escape(says)):
        prepare(read_config(world.config), world.out)


def test_patches_follow_the_ecosystem_of_a_zone_that_was_never_seen(tmp_path):
    """Its rasters are the same, all nodata, whatever it is."""
    world = World.at(tmp_path)
    world.settings["deliverables"] = ["patches"]
    for kind, stratum, expected in (("湿地", "芦苇沼泽", {"wetland": 2}), ("草地", "典型草原", {"grassland": 2})):
        world.settings["zones"]["expected"] = {"forest": 2, "grassland": 1, "wetland": 1} | expected
        world.write_config()
        world.write_zones(ZONES | {"X01": (kind, stratum, box(20, 70, 400, 430))})
        world.run()
        rows = [row for row in read_csv(world.results / "patches.csv") if row["zone_id"] == "X01"]
        assert {row["ecosystem"] for row in rows} == expected.keys()
