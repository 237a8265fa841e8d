"""Monte Carlo: the reference cases of science.md 5, and what shared errors do to sums and differences."""

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ecosystems import Coefficient
from pipeline.ecosystems.rows import Z95
from pipeline.totals.intervals import finding_of
from pipeline.uncertainty.monte_carlo import Draws, drawn, interval, mean_correlation, variance_shares

MANY = Draws(20240601, 200_000)


def row(value, percent, distribution="normal", valid=(-1e9, 1e9)):
    return Coefficient(
        value=value, unit="1", u95_percent=percent, distribution=distribution, valid=valid, source="made up",
        status="unverified", cause="residual",
    )  # fmt: skip


def half_width_percent(draws):
    found = interval(draws)
    return 100 * (found.p97_5 - found.p2_5) / 2 / found.mean


def test_a_source_has_the_same_draws_for_whoever_asks():
    assert (Draws(1, 5).of("grassland", "carbon_fraction") == Draws(1, 5).of("grassland", "carbon_fraction")).all()
    assert (Draws(1, 5).of("a") != Draws(1, 5).of("b")).all()
    assert (Draws(1, 5).of("a") != Draws(2, 5).of("a")).all()


def test_fewer_draws_are_the_first_of_many():
    assert (Draws(1, 5).of("a") == Draws(1, 50).of("a")[:5]).all()


@pytest.mark.parametrize(
    ("distribution", "valid"),
    [
        ("normal", (0, 10)),
        ("lognormal", (0, 10)),
        ("truncated_normal", (0, 10)),
        ("beta", (0, 1)),
        ("triangular", (0, 1)),
    ],
)
def test_draws_have_the_mean_and_the_half_width_of_their_row(distribution, valid):
    draws = drawn(row(0.5, 20, distribution, valid), MANY.of(distribution))
    assert draws.mean() == pytest.approx(0.5, rel=0.002)
    assert half_width_percent(draws) == pytest.approx(20, abs=0.5)


@given(st.sampled_from(["truncated_normal", "beta"]), st.floats(0.05, 0.95), st.floats(5, 60))
def test_a_fraction_stays_within_its_range(distribution, value, percent):
    if distribution == "beta" and (value * percent / 196) ** 2 >= value * (1 - value):
        return  # no beta is as wide
    draws = drawn(row(value, percent, distribution, (0, 1)), Draws(1, 2000).of("x"))
    assert (draws >= 0).all()
    assert (draws <= 1).all()


def test_a_fixed_number_does_not_vary():
    fixed = Coefficient(
        value=0.8, unit="1", distribution="fixed", valid=(0, 1), source="made up", status="unverified", cause="residual"
    )
    assert (drawn(fixed, MANY.of("x")) == 0.8).all()


def test_grass_carbon_of_1000_ha_by_monte_carlo():
    """A 1000 ha +-5 %, AGB .6 t/ha +-30, R 6.69 +-40, CF .45 +-5: mean 2076.2, 95 % 1191.8 to 3129.8 t C."""
    area, agb, root_shoot, fraction = (
        drawn(row(value, percent), MANY.of(name))
        for name, value, percent in (("A", 1000, 5), ("AGB", 0.6, 30), ("R", 6.69, 40), ("CF", 0.45, 5))
    )
    found = interval(area * agb * (1 + root_shoot) * fraction)
    assert found.mean == pytest.approx(2076.19, rel=0.004)
    assert found.p2_5 == pytest.approx(1191.8, rel=0.01)
    assert found.p97_5 == pytest.approx(3129.8, rel=0.01)


@pytest.mark.parametrize(("percents", "together"), [((5, 10), 11.180), ((30, 20, 25, 5), 44.159)])
def test_a_product_of_independent_factors_adds_their_half_widths_in_quadrature(percents, together):
    """IPCC 2006 V1 eq 3.1 is the first order; the draws hold the products of the errors, too, under 1 % here."""
    product = np.prod([drawn(row(1, percent), MANY.of(percent)) for percent in percents], axis=0)
    assert 100 * Z95 * product.std() / product.mean() == pytest.approx(together, rel=0.012)


@pytest.mark.parametrize(("shared", "percent"), [(False, 21.70), (True, 36.11)])
def test_a_sum_of_zones_with_own_and_with_shared_errors(shared, percent):
    """x = 100, 50, 30 with 30, 40, 50 %: independent 21.70 %, wholly correlated 36.11 %."""
    total = sum(drawn(row(x, u), MANY.of("all" if shared else x)) for x, u in ((100, 30), (50, 40), (30, 50)))
    assert half_width_percent(total) == pytest.approx(percent, abs=0.25)


@pytest.mark.parametrize(("correlation", "half_width"), [(0, 29.0), (0.5, 20.5), (0.9, 9.2), (0.99, 3.05)])
def test_a_difference_keeps_only_what_its_stocks_do_not_share(correlation, half_width):
    """C 100 to 105, each +-20 %: 580, 410, 184, 61 % of the change of 5."""
    then, own = MANY.of("then"), MANY.of("own")
    now = correlation * then + np.sqrt(1 - correlation**2) * own
    found = interval(drawn(row(105, 20), now) - drawn(row(100, 20), then))
    assert (found.p97_5 - found.p2_5) / 2 == pytest.approx(half_width, rel=0.02)
    assert (found.p2_5 <= 0 <= found.p97_5) == (correlation < 0.95)


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [(0.1, 0.5, "gain"), (-0.5, -0.1, "loss"), (-0.1, 0.5, "unclear"), (-0.5, 0.1, "unclear"), (0.0, 0.5, "unclear")],
)
def test_a_change_is_found_where_its_95_percent_interval_leaves_zero_out(low, high, finding):
    """However small it is: the bounds are in t CO2 a year, and a zone may be of a few hectares."""
    assert finding_of(low, high) == finding


@pytest.mark.parametrize(("length_m", "factor"), [(0, 0), (300, 0.076), (1000, 0.229), (3000, 0.506)])
def test_the_mean_of_10_km2_keeps_this_part_of_a_pixels_residual(length_m, factor):
    square = shapely.box(0, 0, 10e6**0.5, 10e6**0.5)
    assert mean_correlation(square, length_m) ** 0.5 == pytest.approx(factor, rel=0.02)


def test_a_zone_smaller_than_the_correlation_keeps_the_whole_residual():
    assert mean_correlation(shapely.box(0, 0, 10, 10), 1000) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("side_m", [100, 300, 800])
def test_a_zone_within_reach_of_the_correlation_keeps_what_two_of_its_points_share(side_m):
    """Square of side a: the integral of 4 (a - x) (a - y) exp(-3 d / r) / a^4 over x, y from 0 to a, the density of two
    points lying x and y apart."""
    steps = (np.arange(400) + 0.5) / 400
    apart = 3 * side_m / 1000 * np.hypot(steps, steps[:, None])
    expected = 4 * np.mean((1 - steps) * (1 - steps[:, None]) * np.exp(-apart))
    assert mean_correlation(shapely.box(0, 0, side_m, side_m), 1000) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("turn", [0, 37])
def test_a_belt_much_longer_than_the_correlation_is_a_line(turn):
    """Mean of exp(-3 d / r) over a line of length L >> r: 2 r / (3 L). Some 570 of the 20,000 offsets fall into so thin
    a zone: 4 % is chance."""
    belt = shapely.affinity.rotate(shapely.box(0, 0, 50_000, 30), turn)
    assert mean_correlation(belt, 1000) == pytest.approx(2 * 1000 / 3 / 50_000, rel=0.15)


def test_parts_that_lie_far_apart_do_not_share_a_residual():
    one = shapely.box(0, 0, 3000, 3000)
    two = shapely.union_all([one, shapely.box(1e6, 0, 1e6 + 3000, 3000)])
    assert mean_correlation(two, 1000) == pytest.approx(mean_correlation(one, 1000) / 2, rel=0.05)


def test_shares_of_the_causes_add_up_to_one():
    shares = variance_shares({"a": 3 * MANY.of("a"), "b": 4 * MANY.of("b"), "none": np.zeros(10)})
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["a"] == pytest.approx(9 / 25, abs=0.01)
    assert shares["none"] == 0


def test_what_does_not_vary_has_no_shares():
    assert variance_shares({"a": np.ones(5)}) == {"a": 0.0}


def test_a_cause_whose_draws_are_equal_has_no_share():
    """0.1 three times has a variance of 2e-34 by its rounded mean."""
    assert np.var(np.full(3, 0.1)) > 0
    assert variance_shares({"index": np.array([1.0, 2.0]), "area": np.full(3, 0.1)}) == {"index": 1.0, "area": 0.0}
