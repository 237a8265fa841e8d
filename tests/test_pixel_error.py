"""Standard error of a pixel: tables per index level, what a difference keeps of them, and the further bands."""

import numpy as np
import pytest
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from scipy.special import ndtri
from test_realisations import BASELINE, CURRENT, SETTINGS, stands_of, zone_model
from tiny_world import World, run_here

from pipeline.carbon import CO2_PER_C
from pipeline.ecosystems.rows import Z95
from pipeline.mapping.map_layer import MapLayer, Strip
from pipeline.uncertainty.pixel_error import StandErrors, index_errors, stand_errors
from pipeline.variables import INDEX_NODATA
from pipeline.zones.zone_stands import ZoneStands

LEVEL_OF_04 = 14_000
LASTING = 0.7939
"""Mean persistence of the residual: see below."""


def test_a_pixel_of_grass_errs_by_its_coefficients_in_proportion(ecosystems):
    """60 % of the model, 15 % of dryness, 50 % of R 4.79, 7 % of CF, and what stays of the residual: one table, a fixed
    share of the stock. Half of what lies between one standard deviation s above and below is s of a normal number,
    s / (1 - s^2) of one that divides, exp(-v / 2) sinh(sqrt v), v = ln(1 + s^2), of a lognormal one."""
    model = zone_model(ecosystems)
    errors = index_errors(model)
    stock = model.responses["carbon_stock"][LEVEL_OF_04]
    assert len(errors.shared) == 0

    def lognormal(u95):
        v = np.log1p((u95 / Z95) ** 2)
        return np.exp(-v / 2) * np.sinh(np.sqrt(v))

    dryness = 0.15 / Z95 / (1 - (0.15 / Z95) ** 2)
    residual = model.coefficients["residual"].half_width / Z95 * LASTING**0.5
    parts = lognormal(0.6), dryness, 4.79 / 5.79 * lognormal(0.5), 0.07 / Z95, residual
    assert errors.factor[LEVEL_OF_04] / stock == pytest.approx(np.linalg.norm(parts), rel=1e-3)


def test_a_stand_is_mapped_by_what_it_covers_of_the_zone_in_a_pixel(ecosystems):
    """Four pixels of 10 m: of the first the stand covers all, of the second, half of which is the zone's, that half, of
    the third a quarter; the last is not the zone's. Between stands there is nothing, and not the unknown. A second
    stand lies outside the window."""
    left, top = 500_000, 4_500_000
    near, far = shapely.box(left, top - 10, left + 15, top), shapely.box(left + 900, top - 10, left + 910, top)
    quarter = shapely.box(left + 20, top - 10, left + 22.5, top)
    stands = ZoneStands(np.array([near, far, quarter]), ["larch"] * 3, np.ones(3),
                        {2024: np.array([60.0, 999.0, 60.0])})  # fmt: skip
    model = zone_model(ecosystems, "forest", "larch_middle", stands=stands)
    fractions = np.array([[1, 0.5, 1, 0]], "float32")
    grid = GeoBox((1, 4), from_origin(left, top, 10, 10), "EPSG:32649")
    layers = np.full((3, 1, 4), INDEX_NODATA, "int16"), np.zeros((3, 1, 4), "uint8"), np.zeros((3, 1, 4), bool)
    found = Strip(model, grid, fractions, list(CURRENT.years), *layers).values(MapLayer("carbon_stock", CURRENT))
    carbon = stands.stock(model.ecosystem, 2024)[1][0]
    np.testing.assert_allclose(found, [[carbon, carbon, carbon / 4, np.nan]], rtol=1e-6)


def test_open_water_counts_in_the_years_that_a_pixel_was_seen(ecosystems):
    """Water in one of two years that were seen, in none of three, in all of one, and never seen."""
    seen = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0]], bool).T[:, None]
    wet = np.array([[0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]], bool).T[:, None]
    index = np.where(seen, np.int16(1000), np.int16(INDEX_NODATA))
    grid = GeoBox((1, 4), from_origin(500_000, 4_500_000, 10, 10), "EPSG:32649")
    strip = Strip(zone_model(ecosystems), grid, np.ones((1, 4), "float32"), list(CURRENT.years), index,
                  seen.astype("uint8") * 3, wet)  # fmt: skip
    np.testing.assert_allclose(strip.values(MapLayer("water_occurrence", CURRENT)), [[0.5, 0, 1, np.nan]])
    np.testing.assert_allclose(strip.values(MapLayer("clear_count", CURRENT)), [[6, 9, 3, 0]])
    np.testing.assert_allclose(strip.values(MapLayer("ndvi", CURRENT)), [[0.1, 0.1, 0.1, np.nan]])


def test_what_passes_is_averaged_over_the_years_that_a_pixel_was_seen(ecosystems):
    """Two pixels at an index of .4, one seen in three years, one in a single one of them."""
    model = zone_model(ecosystems)
    errors = index_errors(model)
    index = np.full((3, 1, 2), 4000, "int16")
    index[1:, 0, 1] = INDEX_NODATA
    clear, water = np.ones((3, 1, 2), "uint8"), np.zeros((3, 1, 2), bool)
    grid = GeoBox((1, 2), from_origin(500_000, 4_500_000, 10, 10), "EPSG:32649")
    strip = Strip(model, grid, np.ones((1, 2), "float32"), list(CURRENT.years), index, clear, water)
    found = strip.standard_error(MapLayer("carbon_stock", CURRENT), errors)[0]
    shared, own = errors.factor[LEVEL_OF_04] ** 2, errors.own[LEVEL_OF_04]
    np.testing.assert_allclose(found**2, [shared + own / 3, shared + own], rtol=1e-5)
    assert found[0] < found[1]


def test_of_an_uncertain_persistence_its_mean_counts(ecosystems):
    """.8 +- .2 cut at 1, which lies 1.96 standard deviations above: the mean is .8 - .102 x .0584 / .975 = .7939. What
    does not stay of the residual is the year's own, beside the bias of its composite."""
    model = zone_model(ecosystems)
    errors, rows = index_errors(model), model.coefficients
    stock = model.responses["carbon_stock"].astype(float)
    slope = np.gradient(stock, 1e-4)[LEVEL_OF_04] * rows["index_bias"].half_width / Z95
    residual = stock[LEVEL_OF_04] * rows["residual"].half_width / Z95
    assert (errors.own[LEVEL_OF_04] - slope**2) / residual**2 == pytest.approx(1 - LASTING, abs=2e-4)


def test_what_multiplies_both_dates_alike_hides_no_change(ecosystems):
    """Steppe from an index of .25 to .45, where the root-to-shoot ratio alone may be half or one and a half: twice its
    standard error is more than the change, and yet it is a gain. One from .30 to .31 is none."""
    model = zone_model(ecosystems)
    years = [*BASELINE.years, *CURRENT.years]
    index = np.array([[[2500, 3000]]] * 3 + [[[4500, 3100]]] * 3, "int16")
    grid = GeoBox((1, 2), from_origin(500_000, 4_500_000, 10, 10), "EPSG:32649")
    strip = Strip(model, grid, np.ones((1, 2), "float32"), years, index, np.ones((6, 1, 2), "uint8"),
                  np.zeros((6, 1, 2), bool))  # fmt: skip
    layer, errors = MapLayer("sink", CURRENT, BASELINE), index_errors(model)
    sink, error, detectable = (
        found[0] for found in (
            strip.values(layer), strip.standard_error(layer, errors), strip.detectable_change(layer, errors)
        )
    )  # fmt: skip
    assert sink[0] < Z95 * error[0]
    assert detectable[0] < sink[0]
    assert 0 < sink[1] < detectable[1]


def test_of_a_stand_the_draws_on_either_side_of_zero_count():
    """Normal draws of mean 1 and deviation 1 show 1.96 at least; a change that no draw turns shows at less than it is,
    however widely they differ."""
    normal = 1 + ndtri((np.arange(2000) + 0.5) / 2000)
    errors = StandErrors({"then": np.zeros((2, 2000)), "now": np.stack([normal, np.exp(2 * normal)])},
                         {"then": 2020.0, "now": 2020.0 + CO2_PER_C})  # fmt: skip
    found = errors.detectable("then", "now")
    assert found[0] == pytest.approx(Z95, rel=0.01)
    assert found[1] < errors.density["now"][1].mean()
    assert Z95 * errors.of("then", "now")[1] > errors.density["now"][1].mean()


def test_end_members_matter_where_cover_makes_the_stock(ecosystems):
    errors = index_errors(zone_model(ecosystems, "wetland", "reed", "W01"))
    low, high = 11_500, 17_000  # near the soil end-member a wrong soil index matters, at full cover it does not
    soil = max(errors.shared, key=lambda table: abs(table[low]))
    assert abs(soil[low]) > 5 * abs(soil[high])


def test_a_stand_errs_less_in_its_change_than_in_its_stock(ecosystems):
    model = zone_model(ecosystems, "forest", "larch_middle", "F01", stands_of([60.0, 30.0], [60.0, 30.0]))
    errors = stand_errors(model, SETTINGS, [BASELINE, CURRENT])
    stock, sink = errors.of(CURRENT.label), errors.of(BASELINE.label, CURRENT.label)
    assert (sink * 4 / CO2_PER_C < stock).all()  # 4 years apart
    assert (sink > 0).all()


def test_a_stock_is_no_sink():
    with pytest.raises(ValueError, match="difference of two stocks"):
        MapLayer("sink", CURRENT)


def test_stock_and_sink_carry_their_error_and_the_sink_what_can_be_detected(tmp_path):
    world = World.at(tmp_path)
    world.settings["uncertainty"] = {"draws": 200}
    world.write_config()
    run_here(world.config, world.folder / "out")
    for zone in ("F01", "F02", "G01", "W01"):
        for path in (world.results / "zones" / zone).glob("*.tif"):
            with rasterio.open(path) as file:
                assert file.count == (2 if "carbon_stock" in path.name else 3 if "sink" in path.name else 1)
                if file.count > 1:
                    value, error, *detectable = file.read(masked=True)
                    assert (value.mask == error.mask).all()
                    assert (error >= 0).all()
                    assert error.mean() > 0
                    assert "标准误" in file.descriptions[1]
                if file.count == 3:
                    assert (value.mask == detectable[0].mask).all()
                    assert detectable[0].mean() > 0
                    assert "可检出变化" in file.descriptions[2]
