"""Standard error of a pixel: tables per index level, what a difference keeps of them, and the second band."""

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from test_realisations import BASELINE, CURRENT, SETTINGS, stands_of, zone_model
from tiny_world import World, run_here

from pipeline.carbon import CO2_PER_C
from pipeline.pixel_error import index_errors, stand_errors
from pipeline.uncertainty import Z95
from pipeline.variables import INDEX_NODATA
from pipeline.work import MapLayer, Strip

LEVEL_OF_04 = 14_000


def test_a_pixel_of_grass_errs_by_its_coefficients_in_proportion(ecosystems):
    """60 % of the model, 15 % of dryness, 50 % of R 4.79, 7 % of CF: one table, a fixed share of the stock."""
    model = zone_model(ecosystems)
    errors = index_errors(model)
    stock = model.responses["carbon_stock"][LEVEL_OF_04]
    assert len(errors.shared) == 2
    share = errors.shared[0, LEVEL_OF_04] / stock
    first_order = np.sqrt(0.6**2 + 0.15**2 + (4.79 / 5.79 * 0.5) ** 2 + 0.07**2) / Z95
    assert share == pytest.approx(first_order, rel=0.1)


def test_the_lasting_and_the_passing_residual_make_up_the_whole(ecosystems):
    model = zone_model(ecosystems)
    errors, rows = index_errors(model), model.coefficients
    stock = model.responses["carbon_stock"].astype(float)
    slope = np.gradient(stock, 1e-4)[LEVEL_OF_04] * rows["index_bias"].half_width / Z95
    residual = errors.shared[-1, LEVEL_OF_04] ** 2 + errors.own[LEVEL_OF_04] - slope**2
    assert residual**0.5 == pytest.approx(stock[LEVEL_OF_04] * rows["residual"].half_width / Z95, rel=1e-4)


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
    shared, own = (errors.shared[:, LEVEL_OF_04] ** 2).sum(), errors.own[LEVEL_OF_04]
    np.testing.assert_allclose(found**2, [shared + own / 3, shared + own], rtol=1e-5)
    assert found[0] < found[1]


def test_of_an_uncertain_persistence_its_mean_counts(ecosystems):
    """.8 +- .2 cut at 1, which lies 1.96 standard deviations above: the mean is .8 - .102 x .0584 / .975 = .7939."""
    model = zone_model(ecosystems)
    errors, half_width = index_errors(model), model.coefficients["residual"].half_width
    residual = model.responses["carbon_stock"][LEVEL_OF_04] * half_width / Z95
    assert errors.shared[-1, LEVEL_OF_04] ** 2 / residual**2 == pytest.approx(0.7939, abs=2e-4)


def test_end_members_matter_where_cover_makes_the_stock(ecosystems):
    errors = index_errors(zone_model(ecosystems, "wetland", "reed", "W01"))
    low, high = 11_500, 17_000  # near the soil end-member a wrong soil index matters, at full cover it does not
    soil = max(errors.shared[1:-1], key=lambda table: abs(table[low]))
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


def test_stock_and_sink_carry_their_error_as_a_second_band(tmp_path):
    world = World.at(tmp_path)
    world.settings["uncertainty"] = {"draws": 200}
    world.write_config()
    run_here(world.config, world.folder / "out")
    for zone in ("F01", "F02", "G01", "W01"):
        for path in (world.results / "zones" / zone).glob("*.tif"):
            with rasterio.open(path) as file:
                assert file.count == (2 if "carbon_stock" in path.name or "sink" in path.name else 1)
                if file.count == 2:
                    value, error = file.read(masked=True)
                    assert (value.mask == error.mask).all()
                    assert (error >= 0).all()
                    assert error.mean() > 0
                    assert "标准误" in file.descriptions[1]
