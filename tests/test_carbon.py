"""Stock difference as a sink, CO2 and area units."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.carbon import CO2_PER_C, HA_PER_MU, HA_PER_WANMU, T_HA_PER_G_M2, stock_difference
from pipeline.mapping.map_layer import MapLayer
from pipeline.stock.zone_model import Period

stocks = st.floats(0, 1e4)


def test_a_growing_stock_is_a_positive_sink():
    """IPCC 2006 V4 eq 2.5 as a removal: 9.21 to 13.65 tC/ha of Daqingshan larch in 13 years, .342 tC/ha/yr."""
    assert stock_difference(9.21, 13.65, 13) == pytest.approx(0.34154 * 44 / 12, abs=1e-4)
    assert stock_difference(13.65, 9.21, 13) == -stock_difference(9.21, 13.65, 13)


def test_one_tonne_of_carbon_a_year_is_44_twelfths_of_co2():
    assert CO2_PER_C == 44 / 12
    assert stock_difference(10, 14, 4) == pytest.approx(44 / 12, rel=1e-15)


@given(st.lists(stocks, min_size=1), st.floats(0.5, 50))
def test_identical_stocks_give_exactly_no_sink(stock, years):
    assert (stock_difference(np.array(stock, "float32"), np.array(stock, "float32"), years) == 0).all()


@given(stocks, stocks, stocks, st.floats(0.5, 50))
def test_the_sink_of_two_spans_is_the_mean_of_both(first, second, third, years):
    parts = stock_difference(first, second, years) + stock_difference(second, third, years)
    assert stock_difference(first, third, 2 * years) == pytest.approx(parts / 2, rel=1e-9, abs=1e-9 * 1e4 / years)


def test_a_stock_in_place_of_a_flux_is_refused():
    now, then = Period((2023, 2024, 2025)), Period((2019, 2020, 2021))
    for variable, baseline in (("sink", None), ("carbon_stock", then)):
        with pytest.raises(ValueError, match="a sink is the difference of two stocks, nothing else has a baseline"):
            MapLayer(variable, now, baseline)


def test_an_unknown_stock_gives_an_unknown_sink():
    assert np.isnan(stock_difference(np.array([1.0, np.nan]), np.array([np.nan, 1.0]), 4)).all()


@pytest.mark.parametrize("years", [0, -4, float("nan")])
def test_a_second_date_that_is_not_later_is_refused(years):
    with pytest.raises(ValueError, match="needs a later second date"):
        stock_difference(1.0, 2.0, years)


@pytest.mark.parametrize(
    ("amount", "same"),
    [
        (15 * HA_PER_MU, 1),  # 1 ha = 15 亩
        (10_000 * HA_PER_MU, HA_PER_WANMU),
        (309 * HA_PER_WANMU, 206_000),  # forest of the city's plan, 309 万亩
        (60 * T_HA_PER_G_M2, 0.60),  # 60 g/m2 = 0.60 t/ha
        # science.md 4.1: 2.0763 tC/ha = 7.6131 tCO2/ha = 0.5075 tCO2/亩
        (2.0763 * CO2_PER_C, 7.6131),
        (2.0763 * CO2_PER_C * HA_PER_MU, 0.50754),
    ],
)
def test_units_of_the_offices(amount, same):
    assert amount == pytest.approx(same, rel=1e-5)
