"""Shrub among grass: by stand or land-cover class, counted once, by hand on tiny grids and through whole runs."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from conftest import CRS, LEFT, PIXEL, TOP, make_grid, write_tif
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox
from test_realisations import BASELINE, CURRENT, SETTINGS, YEARS, drawn, sketch_at, zone_model
from test_sketch import SHAPE, zones
from tiny_world import STANDS, World, box, read_csv, run_here, undisturbed, write_vector

from pipeline.config.run_config import read_config
from pipeline.errors import ZoneError
from pipeline.mapping.land_cover import LandCover, reach_of
from pipeline.mapping.map_layer import MapLayer, Strip
from pipeline.mapping.shrub_ground import ShrubGround
from pipeline.mapping.zone_pixels import SketchBuilder
from pipeline.plan import stale_rasters, stale_zones
from pipeline.questions.explain import explain
from pipeline.questions.finished import FinishedRun
from pipeline.questions.run_difference import compare
from pipeline.questions.what_if import what_if
from pipeline.run import prepare
from pipeline.stock.sketch import LEVELS, PARTS
from pipeline.stock.sketch_file import load_sketches, save_sketches
from pipeline.stock.zone_model import Period, stock
from pipeline.uncertainty.monte_carlo import interval, variance_shares
from pipeline.uncertainty.pixel_error import index_errors
from pipeline.zones.coverage import coverage_fractions
from pipeline.zones.zone_stands import ZoneStands

FULL_COVER = 2.88 / 0.45
"""t C/ha of shrub at full cover."""


def pixels(top, bottom, left, right):
    """A rectangle of the grid of `make_grid`, in its pixels."""
    return shapely.box(LEFT + left * PIXEL, TOP - bottom * PIXEL, LEFT + right * PIXEL, TOP - top * PIXEL)


def stands(*parts, cover=None):
    """Stands of a species and an outline."""
    species, outlines = zip(*parts, strict=True)
    area = np.array([outline.area / 1e4 for outline in outlines])
    return ZoneStands(np.array(outlines), list(species), area, {2020: np.zeros(len(parts))}, cover)


def land_cover(folder, classes, **options):
    return LandCover(write_tif(folder / "cover.tif", np.array(classes, "uint8"), **options), (20,), "a")


# --- the ground -------------------------------------------------------------------------------------------


def test_shrub_stands_take_their_ground_out_of_the_grass():
    """1 x 4 pixels, the zone the first 3.5: a stand over the second half of pixel 1 and the whole of pixel 2."""
    grid = make_grid(1, 4)
    ground = ShrubGround(stands(("shrub", pixels(0, 1, 0.5, 2)), ("larch", pixels(0, 1, 2, 3))), None)
    other, shrub, surveyed = ground.mosaic(grid, coverage_fractions(grid, pixels(0, 1, 0, 3.5)))
    np.testing.assert_allclose(other, [[0.5, 0, 1, 0.5]])
    np.testing.assert_allclose(shrub, [[0.5, 1, 0, 0]])
    assert not surveyed.any()


def test_surveyed_cover_weights_the_shrub_and_overlapping_stands_count_once():
    """Pixel 1 of cover .3; pixel 2 half of .3, half of .6; pixel 3 wholly under both."""
    grid = make_grid(1, 3)
    parts = [("shrub", pixels(0, 1, 0, 1.5)), ("shrub", pixels(0, 1, 1.5, 3)), ("shrub", pixels(0, 1, 2, 3))]
    ground = ShrubGround(stands(*parts, cover=np.array([0.3, 0.6, 0.2])), None)
    other, shrub, surveyed = ground.mosaic(grid, np.ones((1, 3), "float32"))
    assert not other.any()
    assert not shrub.any()
    np.testing.assert_allclose(surveyed, [[0.3, 0.45, 0.4]], rtol=1e-6)


def test_stands_win_where_they_lie_and_the_map_counts_beyond(tmp_path):
    """The map calls all shrub but pixel 4: pixel 1 is a shrub stand, pixel 2 a stand of larch, pixel 3 of nobody."""
    grid = make_grid(1, 4)
    known = stands(("shrub", pixels(0, 1, 0, 1)), ("larch", pixels(0, 1, 1, 2)), cover=np.array([0.5, 0.0]))
    ground = ShrubGround(known, land_cover(tmp_path, [[20, 20, 20, 30]]))
    other, shrub, surveyed = ground.mosaic(grid, np.ones((1, 4), "float32"))
    np.testing.assert_allclose(other, [[0, 1, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(shrub, [[0, 0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(surveyed, [[0.5, 0, 0, 0]], atol=1e-6)


corner = st.floats(0, 6, allow_subnormal=False)


@given(st.lists(st.tuples(corner, corner, corner, corner, st.sampled_from(["shrub", "larch"])), min_size=1, max_size=6))
def test_grass_and_shrub_together_are_the_zone_once(rectangles):
    """However stands overlap: each pixel's parts add up to what the zone covers of it, and none is negative."""
    grid, zone = make_grid(6, 6), pixels(0.3, 5.6, 0.7, 5.2)
    found = []
    for top, bottom, left, right, species in rectangles:
        outline = shapely.intersection(pixels(*sorted((top, bottom)), *sorted((left, right))), zone)
        if outline.area > 1:
            found.append((species, outline))
    if not found:
        return
    fractions = coverage_fractions(grid, zone)
    mosaic = ShrubGround(stands(*found), None).mosaic(grid, fractions)
    assert (mosaic >= 0).all()
    np.testing.assert_allclose(mosaic.sum(axis=0), fractions, atol=1e-5)
    shrub = shapely.union_all([outline for species, outline in found if species == "shrub"])
    assert mosaic[1].sum() == pytest.approx(shrub.area / PIXEL**2, abs=1e-3)


# --- the map ----------------------------------------------------------------------------------------------


def test_pixels_finer_than_the_grid_give_shares_and_coarser_ones_repeat(tmp_path):
    fine = land_cover(tmp_path / "fine", [[20, 20, 30, 30], [20, 30, 30, 20]], pixel=PIXEL / 2)
    np.testing.assert_allclose(fine.share(make_grid(1, 2)), [[0.75, 0.25]], atol=1e-6)
    coarse = land_cover(tmp_path / "coarse", [[20, 30]], pixel=2 * PIXEL)
    np.testing.assert_allclose(coarse.share(make_grid(2, 4)), [[1, 1, 0, 0]] * 2, atol=1e-6)


def test_beyond_the_raster_is_no_shrub_and_parts_are_as_the_whole(tmp_path, monkeypatch):
    cover = land_cover(tmp_path, np.full((4, 4), 20), left=LEFT + 2.5 * PIXEL)
    whole = cover.share(make_grid(8, 8))
    np.testing.assert_allclose(whole[0], [0, 0, 0.5, 1, 1, 1, 0.5, 0], atol=1e-6)
    assert not whole[4:].any()
    monkeypatch.setattr("pipeline.mapping.land_cover.MAX_PIXELS", 60)
    np.testing.assert_allclose(cover.share(make_grid(8, 8)), whole, atol=1e-6)


def test_a_map_in_degrees_lies_where_it_should(tmp_path):
    """A class of .001 degree beside another: its area on the grid is that of its outline."""
    grid = make_grid(60, 60)
    centre = gpd.GeoSeries([shapely.box(*grid.boundingbox).centroid], crs=CRS).to_crs("EPSG:4326")[0]
    west, north = centre.x - 1e-3, centre.y + 1e-3
    cover = land_cover(tmp_path, np.repeat([[20] * 10 + [30] * 10], 20, axis=0), left=west, top=north, pixel=1e-4,
                       crs="EPSG:4326")  # fmt: skip
    outline = gpd.GeoSeries([shapely.box(west, north - 2e-3, west + 1e-3, north)], crs="EPSG:4326").to_crs(CRS)[0]
    share = cover.share(grid)
    assert share.sum() * PIXEL**2 == pytest.approx(outline.area, rel=0.01)
    assert np.abs(share - coverage_fractions(grid, outline)).mean() < 0.005


def test_what_rests_on_a_map_rests_on_the_world_file_beside_it(tmp_path):
    """It says where the map lies, and the map itself has the same bytes."""
    path = write_tif(tmp_path / "cover.tif", np.full((4, 4), 20, "uint8"), transform=None)
    lines = [PIXEL, 0, 0, -PIXEL, LEFT + PIXEL / 2, TOP - PIXEL / 2]
    keys, shares = set(), []
    for left in (LEFT, LEFT, LEFT + 2 * PIXEL):
        lines[4] = left + PIXEL / 2
        path.with_suffix(".tfw").write_text("\n".join(map(str, lines)))
        cover = LandCover(path, (20,), "a")
        keys.add(ShrubGround(None, cover).key)
        shares.append(cover.share(make_grid(4, 4))[0].tolist())
    assert shares == [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1]]
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        (
            np.ones((2, 2), "uint8"),
            {"transform": Affine(10, 0, LEFT, 0, 10, TOP)},
            "is no land cover, a north-up raster",
        ),
        (np.ones((2, 2), "float32"), {}, "is no land cover, a north-up raster of integer classes; name another file"),
        (np.ones((2, 2), "uint8"), {"crs": None}, "the land cover has no CRS; write it into the file"),
    ],
)
def test_a_raster_that_is_no_land_cover_is_refused(tmp_path, values, options, says):
    with pytest.raises(ZoneError, match=says):
        reach_of(write_tif(tmp_path / "cover.tif", values, **options), CRS)
    (tmp_path / "torn.tif").write_bytes(b"II*\0torn")
    with pytest.raises(ZoneError, match=r"torn.tif: the land cover cannot be read .*; correct land_cover.path"):
        reach_of(tmp_path / "torn.tif", CRS)


# --- stock, error, interval -------------------------------------------------------------------------------


def shrub_model(ecosystems, **options):
    return replace(zone_model(ecosystems, **options), shrub=ecosystems["forest"].shrub)


def mixed(index, grass, shrub, surveyed=0.0, cover=0.0):
    """A sketch of 100 pixels of one index: shares of grass, of shrub, and of shrub of a surveyed cover."""
    sketch = sketch_at(index)
    parts = np.array([grass, shrub, surveyed * cover])[:, None] * sketch.land
    return replace(sketch, mosaic=parts)


def test_the_stock_is_grass_and_shrub_by_their_shares(ecosystems):
    """By hand at NDVI .36 = cover .4: half grass, 30 % shrub of .4, 20 % shrub of the surveyed .6."""
    model, sketch = shrub_model(ecosystems), mixed(0.36, 0.5, 0.3, 0.2, 0.6)
    grass = zone_model(ecosystems).responses["carbon_stock"][13_600]
    found = stock(model, sketch, CURRENT)
    assert found["carbon_stock"] == pytest.approx(0.5 * grass + FULL_COVER * (0.3 * 0.4 + 0.2 * 0.6), rel=1e-6)
    assert found["fvc"] == pytest.approx(0.4)
    grass_agb = zone_model(ecosystems).responses["agb"][13_600]
    shrub_agb = FULL_COVER * (0.3 * 0.4 + 0.2 * 0.6) * 0.7495 / 0.45
    assert found["agb"] == pytest.approx(0.5 * grass_agb + shrub_agb, rel=1e-6)
    assert (sketch.shrub_fraction, zone_model(ecosystems).shrub) == (pytest.approx(0.5), None)


def test_a_sketch_without_shrub_counts_as_before(ecosystems):
    sketch = sketch_at(0.3, 0.4)
    assert stock(shrub_model(ecosystems), sketch, CURRENT) == stock(zone_model(ecosystems), sketch, CURRENT)
    assert (sketch.mosaic, sketch.shrub_fraction) == (None, 0)


def test_the_rows_of_shrub_are_named_with_the_forests_and_marked_where_unverified(ecosystems):
    model = shrub_model(ecosystems)
    assert {"forest.shrub.carbon_t_ha", "forest.shrub.reference_cover", "carbon_fraction"} <= set(model.rows)
    assert "forest.shrub.reference_cover" in model.unverified
    assert "forest.shrub.carbon_t_ha" not in model.unverified
    assert not [path for path in zone_model(ecosystems).rows if "shrub" in path]
    assert model.full_path("carbon_fraction") == "grassland.carbon_fraction"
    doubled = model.with_values({"forest.shrub.carbon_t_ha": 5.76, "carbon_fraction": 0.4})
    assert (doubled.shrub.carbon_t_ha.value, doubled.ecosystem.carbon_fraction.value) == (5.76, 0.4)


def realised(model, sketch, settings=SETTINGS):
    labels = [BASELINE.label, CURRENT.label, *map(str, YEARS)]
    return drawn(model, dict.fromkeys(labels, sketch), settings)


STOCK = ("carbon_tC", CURRENT.label)


def test_the_draws_lie_around_the_stock_of_grass_and_shrub(ecosystems):
    model, sketch = shrub_model(ecosystems), mixed(0.36, 0.5, 0.3, 0.2, 0.6)
    estimate = stock(model, sketch, CURRENT)["carbon_stock"] * 900
    found = interval(realised(model, sketch).all[STOCK])
    assert found.mean == pytest.approx(estimate, rel=0.05)
    assert found.p2_5 < 0.75 * estimate < 1.3 * estimate < found.p97_5


def test_a_zone_all_of_shrub_errs_by_the_shrubs_mean_and_not_by_grass(ecosystems):
    """60 % of C_ref, 3 % of area: the grass model has no part in it."""
    found = realised(shrub_model(ecosystems), mixed(0.36, 0, 0, 1, 0.45))
    shares = variance_shares(found.by_cause[STOCK])
    assert shares["class_mean"] > 0.9
    assert shares["biomass_model"] == shares["root_shoot"] == shares["end_members"] == 0
    ends = interval(found.all[STOCK])
    assert (ends.p97_5 - ends.p2_5) / 2 / ends.mean == pytest.approx(0.6, abs=0.1)


def test_ground_not_seen_errs_by_the_spread_of_what_pixels_hold(ecosystems):
    """Half grass, half shrub of the surveyed .45, which holds 2.88 t C/ha: half of their difference, of .4 of the zone.
    Shrub of one cover all over has no spread."""
    model = shrub_model(ecosystems)
    for shrub, expected in ((0.5, abs(2.88 - zone_model(ecosystems).responses["carbon_stock"][13_600]) / 2), (1, 0)):
        seen = mixed(0.36, 1 - shrub, 0, shrub, 0.45)
        sketch = replace(seen, land=0.6 * seen.land, mosaic=0.6 * seen.mosaic)
        draws = realised(model, sketch).by_cause[STOCK]["observation"]
        assert draws.std() == pytest.approx(0.4 * expected * 900, rel=0.05, abs=1e-3)
        holds = model.responses["carbon_stock"]
        part = replace(seen, land=seen.land / 1000, mosaic=seen.mosaic / 1000)  # less than a pixel at its level
        assert part.spread(holds) == pytest.approx(seen.spread(holds), abs=1e-6)


def test_shrub_of_two_zones_and_of_forest_stands_errs_together(ecosystems):
    one = realised(shrub_model(ecosystems), mixed(0.36, 0, 0, 1, 0.45)).by_cause[STOCK]["class_mean"]
    two = realised(shrub_model(ecosystems, id="G02"), mixed(0.30, 0.5, 0, 0.5, 0.45)).by_cause[STOCK]["class_mean"]
    square = shapely.box(0, 0, 3000, 3000)
    standing = ZoneStands(np.array([square]), ["shrub"], np.array([900.0]),
                          {2020: np.zeros(1), 2024: np.zeros(1)}, np.array([0.45]))  # fmt: skip
    forest = zone_model(ecosystems, "forest", "larch_middle", "F01", standing)
    three = realised(forest, mixed(0.36, 1, 0)).by_cause[STOCK]["class_mean"]
    assert np.corrcoef([one, two, three]).min() > 0.999999


def test_the_error_of_a_pixel_of_two_parts_is_that_of_their_sum(ecosystems):
    """Tables by part: what 1 s.d. of C_ref does to shrub alone, of the carbon fraction to grass alone."""
    model = shrub_model(ecosystems)
    errors = index_errors(model)
    assert errors.shared.shape[1:] == (len(PARTS), LEVELS.size)
    assert errors.own.shape == (len(PARTS), len(PARTS), LEVELS.size)
    level = 13_600
    of_shrub = [table[:, level] for table in errors.shared if not table[0].any() and table[2].any()]
    (class_mean,) = of_shrub
    assert class_mean[1:] == pytest.approx(np.array([0.4, 1]) * FULL_COVER * 0.6 / 1.96, rel=0.06)
    plain = index_errors(zone_model(ecosystems))
    np.testing.assert_array_equal(errors.own[0, 0], plain.own)
    assert errors.own[0, 1, level] == pytest.approx((errors.own[0, 0, level] * errors.own[1, 1, level]) ** 0.5, rel=0.1)


def test_saved_mosaics_come_back(tmp_path):
    save_sketches(tmp_path / "G01.npz", {"2019": sketch_at(0.3), "2020": mixed(0.3, 0.5, 0.5)})
    back = load_sketches(tmp_path / "G01.npz")
    assert back["2019"].mosaic is None
    np.testing.assert_array_equal(back["2020"].mosaic, mixed(0.3, 0.5, 0.5).mosaic)


# --- whole runs -------------------------------------------------------------------------------------------

SHRUB_STAND = ("柠条", 0.0, 0.0, box(110.3, 150, 60, 120.5))
SURVEYED = 0.6


def write_stands(world, cover=None):
    """The stands of the world and a shrub stand in G01, with its cover where that is given."""
    species, then, now, shapes = zip(*STANDS, SHRUB_STAND, strict=True)
    columns = {"SPECIES": species, "V2020": then, "V2024": now}
    world.settings["stands"]["columns"].pop("cover", None)
    if cover is not None:
        columns["COVER"] = [None] * len(STANDS) + [cover]
        world.settings["stands"]["columns"]["cover"] = "COVER"
    write_vector(world.stands, columns, list(shapes))
    world.write_config()


def write_cover(world, shrub=np.s_[150:180, 200:260]):
    """A land-cover map on the world's grid: 30, and 20 in a rectangle of pixels."""
    classes = np.full((200, 300), 30, "uint8")
    classes[shrub] = 20
    write_tif(world.folder / "landcover.tif", classes, pixel=30.0)
    world.settings["land_cover"] = {"path": "landcover.tif", "shrub": [20]}
    world.write_config()


@given(zones(), arrays("float32", (2, *SHAPE), elements=st.floats(0, 0.5, width=32)))
def test_a_map_holds_the_pixels_of_grass_and_shrub_that_the_sketch_is_the_mean_of(ecosystems, zone, shares):
    """The stock of a sketch is the mean of that of its pixels; surveyed shrub has a cover of .7 here."""
    fractions, index, clear, water = zone
    shrub, surveyed = shares * fractions
    mosaic = np.stack([fractions - shrub - surveyed, shrub, surveyed * np.float32(0.7)])
    builder = SketchBuilder()
    builder.add(fractions, index, clear, water, mosaic)
    model, period = shrub_model(ecosystems), Period(tuple(range(2020, 2020 + len(index))))
    strip = Strip(model, make_grid(*SHAPE), fractions, list(period.years), index, clear[None], water, mosaic)
    for name in ("agb", "carbon_stock", "fvc"):
        values = strip.values(MapLayer(name, period)).astype(float)
        weights = fractions.astype(float) * ~np.isnan(values)
        mean = np.nansum(values * weights) / weights.sum() if weights.sum() else np.nan
        assert stock(model, builder.sketch(), period)[name] == pytest.approx(mean, rel=1e-5, abs=1e-5, nan_ok=True)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The world with a surveyed shrub stand and a land-cover map, run with draws."""
    world = World.at(tmp_path_factory.mktemp("shrub"))
    world.settings["uncertainty"] = {"draws": 400}
    write_stands(world, SURVEYED)
    write_cover(world)
    return world, world.run()


@pytest.fixture(scope="module")
def finished(both):
    return FinishedRun.read(both[0].results)


def raster(world, variable, period=CURRENT.label, band=1):
    with rasterio.open(world.results / "zones" / "G01" / f"G01_{variable}_{period}.tif") as file:
        values = file.read(band, masked=True).astype(float).filled(np.nan) * file.scales[band - 1]
        return values, file.transform


def in_map(world, variable, row, column, band=1):
    """The value of a pixel of the world in a raster of G01."""
    values, transform = raster(world, variable, band=band)
    x, y = ~transform * (LEFT + (column + 0.5) * 30, TOP - (row + 0.5) * 30)
    return values[int(y), int(x)]


def test_the_map_has_shrub_where_it_grows_and_grass_elsewhere(both, tmp_path):
    world, _ = both
    plain = World.finished(tmp_path)
    assert in_map(world, "carbon_stock", 130, 90) == pytest.approx(FULL_COVER * SURVEYED, abs=0.01)
    mapped = FULL_COVER * in_map(world, "fvc", 160, 230)
    assert in_map(world, "carbon_stock", 160, 230) == pytest.approx(mapped, abs=0.02)
    for place in ((130, 30), (120, 200)):
        assert in_map(world, "carbon_stock", *place) == in_map(plain, "carbon_stock", *place)
    # the stand ends in the middle of column 120
    half = (FULL_COVER * SURVEYED + in_map(plain, "carbon_stock", 130, 120)) / 2
    assert in_map(world, "carbon_stock", 130, 120) == pytest.approx(half, abs=0.01)
    np.testing.assert_array_equal(raster(world, "fvc")[0], raster(plain, "fvc")[0])


def test_totals_of_the_sketch_are_those_of_the_pixels(both):
    world, done = both
    run = prepare(read_config(world.config), world.out)
    zone = next(zone for zone in run.zones if zone.id == "G01")
    for variable, column, period in (
        ("carbon_stock", "carbon_tC_ha", CURRENT),
        ("agb", "agb_tDM_ha", CURRENT),
        ("carbon_stock", "baseline_carbon_tC_ha", BASELINE),
    ):
        values, transform = raster(world, variable, period.label)
        weights = coverage_fractions(GeoBox(values.shape, transform, CRS), zone.geometry) * ~np.isnan(values)
        mean = np.nansum(values * weights) / weights.sum()
        assert mean == pytest.approx(done.row("G01")[column], abs=2e-3), variable  # stored in steps of .01


def test_only_the_zone_with_shrub_changes(both, tmp_path):
    world, _ = both
    mine, plain = world.files(), undisturbed()
    same = [name for name in plain if name.endswith(".tif") and not name.startswith(("zones/G01", "zones\\G01"))]
    assert [name for name in same if "carbon" not in name and "sink" not in name]
    assert all(mine[name] == plain[name] for name in same if "carbon" not in name and "sink" not in name)
    rows = {row["zone_id"]: row for row in read_csv(world.results / "summary.csv")}
    before = {row["zone_id"]: row for row in read_csv(World.finished(tmp_path).results / "summary.csv")}
    for zone in ("F01", "F02", "W01"):
        assert {name: rows[zone][name] for name in ("carbon_tC", "agb_tDM_ha", "method", "unverified")} == {
            name: before[zone][name] for name in ("carbon_tC", "agb_tDM_ha", "method", "unverified")
        }
    assert rows["G01"]["fvc_mean"] == before["G01"]["fvc_mean"]
    assert rows["G01"]["carbon_tC"] != before["G01"]["carbon_tC"]
    assert "forest.shrub.reference_cover" in rows["G01"]["unverified"]
    assert rows["G01"]["method"].endswith("; shrub: class mean C x cover/reference cover")


def test_the_share_of_shrub_stands_beside_the_totals(both):
    share = {row["zone_id"]: row["shrub_fraction"] for row in read_csv(both[0].results / "separate.csv")}
    zone = next(zone for zone in prepare(read_config(both[0].config), both[0].out).zones if zone.id == "G01")
    shrub = SHRUB_STAND[-1].area + 30 * 60 * 900
    assert float(share["G01"]) == pytest.approx(shrub / zone.geometry.area, rel=1e-4)
    assert share["F01"] == share["F02"] == share["W01"] == ""


def test_the_standard_error_of_shrub_is_that_of_its_rows(both):
    """60 % of C_ref and the 60 % residual of the zone: .306 and .306, in quadrature."""
    world, _ = both
    value, error = (in_map(world, "carbon_stock", 130, 90, band) for band in (1, 2))
    passing = 0.6 / 1.96 * (0.8 + 0.2 / 3) ** 0.5
    assert error / value == pytest.approx(np.hypot(0.6 / 1.96, passing), rel=0.05)
    assert (np.isnan(raster(world, "sink", f"{BASELINE.label}_{CURRENT.label}", 2)[0]) ==
            np.isnan(raster(world, "sink", f"{BASELINE.label}_{CURRENT.label}")[0])).all()  # fmt: skip


def redone(numbers):
    return eval(numbers.replace("×", "*"), {"__builtins__": {}})


@pytest.mark.parametrize("metric", ["carbon_tC", "carbon_tC_ha", "agb_tDM_ha", "sink_tCO2_yr"])
def test_explain_shows_the_shrub_with_its_numbers(both, finished, metric):
    answer = explain(finished, "G01", metric)
    assert answer["value"] == pytest.approx(both[1].row("G01")[metric], rel=1e-9)
    for step in answer["steps"]:
        assert redone(step["numbers"]) == pytest.approx(step["value"], rel=1e-5), step
    (shrub, *_) = [step for step in answer["steps"] if "of shrub" in step["figure"]]
    assert shrub["formula"].startswith("share of shrub × C_ref × f / f_ref")
    rows = {row["path"]: row for row in answer["coefficients"]}
    assert rows["forest.shrub.reference_cover"]["status"] == "unverified"
    assert rows["forest.shrub.carbon_t_ha"]["value"] == 2.88
    assert rows["forest.shrub.carbon_t_ha"]["name_zh"] == "灌木生物量碳密度"
    assert ("forest.shrub.above_ground_share" in rows) == (metric == "agb_tDM_ha")
    assert list(answer["land_cover"]["checksums"]) == ["landcover.tif"]
    assert [list(file["checksums"]) for file in answer["stands"]] == [["stands.gpkg"]]
    assert explain(finished, "W01", metric)["land_cover"] is None


def test_what_if_of_a_shrub_row_moves_the_grassland_with_shrub_in_it(finished):
    answers = what_if(finished, ["forest.shrub.carbon_t_ha=5.76"])
    assert {answer.zone for answer in answers} == {"G01", "city"}  # no shrub stands in the forest zones
    stock_tC = next(answer for answer in answers if (answer.zone, answer.quantity) == ("G01", "carbon_tC"))
    steps = explain(finished, "G01", "carbon_tC")["steps"]
    shrub = next(step["value"] for step in steps if step["figure"] == "C/A of shrub")
    assert stock_tC.after - stock_tC.before == pytest.approx(shrub * finished.zones["G01"]["area_ha"], rel=1e-6)
    assert {answer.zone for answer in what_if(finished, ["forest.bcef.pines=x1.1"])} == {"F01", "forest", "city"}


def test_the_interval_of_the_run_is_that_of_the_question(both, finished):
    answer = what_if(finished, ["grassland.index_bias=0"])[0]
    assert answer.interval_before.p2_5 == pytest.approx(both[1].row("G01")["carbon_tC_low95"], rel=1e-9)
    causes = explain(finished, "G01", "carbon_tC")["interval"]["causes"]
    assert causes["class_mean"] > 0.001


def test_a_stand_without_cover_goes_by_the_index(tmp_path):
    world = World.at(tmp_path)
    write_stands(world)
    world.run()
    expected = FULL_COVER * in_map(world, "fvc", 130, 90)
    assert in_map(world, "carbon_stock", 130, 90) == pytest.approx(expected, abs=0.02)


def changed(world):
    """(zones sketched, rasters written) of a run. The plan says the same before, but that it takes shrub to be in every
    zone that a land cover reaches."""
    run = prepare(read_config(world.config), world.out)
    sketches = stale_zones(run, False)
    planned = {job.name for job in stale_rasters(run, False, {job.zone for job in sketches})}
    done = world.run()
    assert done.composite == []
    assert planned >= set(done.map)
    assert "land_cover" in world.settings or planned == set(done.map)
    assert {f"sketch-{job.zone}" for job in sketches} == {name.split("_")[0] for name in done.calibrate}
    return [job.zone for job in sketches], {name.rsplit("_", 1)[0] for name in done.map}


def test_a_changed_stand_or_map_does_again_the_zones_with_it(tmp_path):
    world = World.finished(tmp_path)
    stocks = {"G01_agb", "G01_carbon_stock", "G01_sink_2019-2021"}
    write_stands(world)
    zones, rasters = changed(world)
    assert (zones, rasters) == (["G01"], stocks)
    assert changed(world) == ([], set())
    write_stands(world, 0.5)
    assert changed(world) == (["G01"], stocks)
    write_cover(world)
    assert changed(world) == (["F02", "G01"], stocks)
    write_cover(world, np.s_[150:170, 200:260])
    assert changed(world) == (["F02", "G01"], stocks)
    world.settings.pop("land_cover")
    world.write_stands(STANDS)
    del world.settings["stands"]["columns"]["cover"]
    world.write_config()
    assert changed(world)[0] == ["F02", "G01"]
    assert world.files() == undisturbed()


def test_shrub_of_the_map_counts_in_a_forest_without_stands(tmp_path):
    world = World.at(tmp_path)
    write_cover(world, np.s_[20:40, 150:200])
    rows = {row["zone_id"]: row for row in run_here(world.config, world.out).rows}
    assert rows["F02"]["method"].endswith("; shrub: class mean C x cover/reference cover")
    assert "shrub" not in rows["F01"]["method"]
    assert "shrub" not in rows["G01"]["method"]  # the map reaches it and has none in it


def test_two_runs_with_other_shrub_are_told_apart(both, finished, tmp_path):
    world = World.finished(tmp_path)
    rows = compare(FinishedRun.read(world.results), finished)
    row = next(row for row in rows if (row["zone_id"], row["quantity"]) == ("G01", "carbon_tC"))
    assert row["note"] == "shrub grows on other ground in the second run; that change counts as coefficients"
    assert row["coefficients"] == pytest.approx(row["change"], rel=1e-9)
    back = next(row for row in compare(finished, finished) if row["zone_id"] == "G01")
    assert (back["change"], back["note"]) == (0, None)


def test_a_map_that_leaves_out_part_of_a_zone_is_said(tmp_path):
    world = World.at(tmp_path)
    write_cover(world)
    write_tif(world.folder / "landcover.tif", np.full((200, 100), 20, "uint8"), pixel=30.0)
    run = prepare(read_config(world.config), world.out)
    assert any("the land cover lacks part of F02, G01; it counts as without shrub" in note for note in run.notes)
    assert list(run.shrub) == ["G01"]
