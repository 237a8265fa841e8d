"""Cover of the dimidiate pixel model, its end-members and their calibration."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.vegetation import EndMembers, calibrate_end_members, linear_cover, weighted_percentile

indices = st.floats(-1, 1, width=32)
pairs = st.builds(EndMembers, soil=st.floats(0.03, 0.15), vegetation=st.floats(0.45, 0.9))


# science.md section 9; the last two are ends: an index below soil, one above vegetation
@pytest.mark.parametrize(
    ("index", "soil", "vegetation", "cover"),
    [
        (0.25, 0.10, 0.70, 0.25),
        (0.25, 0.05, 0.86, 0.24691),
        (0.55, 0.10, 0.86, 0.59211),
        (0.10, 0.10, 0.70, 0.0),
        (0.70, 0.10, 0.70, 1.0),
        (-0.30, 0.10, 0.70, 0.0),
        (0.95, 0.10, 0.70, 1.0),
    ],
)
def test_cover_is_the_share_of_the_way_from_soil_to_vegetation(index, soil, vegetation, cover):
    assert linear_cover(np.array(index), EndMembers(soil, vegetation)) == pytest.approx(cover, abs=5e-6)


def test_mixed_pixels_are_close_to_their_true_cover():
    """science.md section 3: soil R .25 N .30 and vegetation R .04 N .45, mixed .10-.70."""
    soil, vegetation = np.array([0.25, 0.30]), np.array([0.04, 0.45])
    true = np.array([0.1, 0.2, 0.3, 0.5, 0.7])
    red, nir = np.outer(soil, 1 - true) + np.outer(vegetation, true)
    ends = EndMembers(0.05 / 0.55, 0.41 / 0.49)
    cover = linear_cover((nir - red) / (nir + red), ends)
    assert cover == pytest.approx([0.0901, 0.1822, 0.2763, 0.4712, 0.6752], abs=5e-5)


@given(indices, indices, pairs)
def test_cover_lies_within_0_and_1_and_never_falls_as_the_index_grows(one, other, ends):
    low, high = linear_cover(np.sort(np.array([one, other])), ends)
    assert 0 <= low <= high <= 1


def test_cover_of_an_unknown_index_is_unknown():
    assert np.isnan(linear_cover(np.array([np.nan]), EndMembers(0.1, 0.7))).all()


@pytest.mark.parametrize(
    ("soil", "vegetation", "says"),
    [
        (0.029, 0.70, "soil end-member 0.029 is outside 0.03-0.25"),  # open water among the soil (Jiao 2018)
        (0.251, 0.70, "soil end-member 0.251 is outside"),
        (0.10, 0.449, "vegetation end-member 0.449 is below 0.45"),
        (0.20, 0.499, "less than 0.3 apart"),
        (np.nan, 0.70, "soil end-member nan"),
        (0.10, np.nan, "vegetation end-member nan"),
    ],
)
def test_end_members_that_cannot_be_soil_and_vegetation_are_refused(soil, vegetation, says):
    with pytest.raises(ValueError, match=says):
        EndMembers(soil, vegetation)


@pytest.mark.parametrize(("soil", "vegetation"), [(0.03, 0.45), (0.25, 0.55), (0.10, 1.0)])
def test_end_members_at_the_limits_are_accepted(soil, vegetation):
    assert EndMembers(soil, vegetation).vegetation == vegetation


# weights 1, 3, 0, 4 of the values .1, .2, .3, .4 add up to 1, 4, 4, 8: .2 holds from above 12.5 to 50 %
@pytest.mark.parametrize(("percent", "value"), [(1, 0.1), (12.5, 0.1), (13, 0.2), (50, 0.2), (51, 0.4), (100, 0.4)])
def test_weighted_percentile_by_hand(percent, value):
    assert weighted_percentile(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 3, 0, 4]), percent) == value


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20), st.integers(1, 100))
@example([0.1] * 8, 100)  # 100 % of their sum, as sum x 100 / 100, is one rounding step more than the sum
def test_the_weight_up_to_a_percentile_is_that_percentage(weights, percent):
    weights = np.array(weights)
    rank = round(weighted_percentile(np.arange(len(weights)), weights, percent))
    reached = weights[: rank + 1].sum() / weights.sum()
    assert reached >= percent / 100 - 1e-9
    assert reached - weights[rank] / weights.sum() < percent / 100 + 1e-9


def test_the_hundredth_percentile_is_the_largest_value_that_has_weight():
    """Weights of .1 add up to a number that, x 100 / 100, is one rounding step too large."""
    assert weighted_percentile(np.arange(10.0), np.array([0.1] * 8 + [0.0] * 2), 100) == 7


@pytest.mark.parametrize("weights", [[], [0.0, 0.0]])
def test_a_percentile_of_nothing_is_refused(weights):
    with pytest.raises(ValueError, match="a percentile of nothing"):
        weighted_percentile(np.arange(len(weights)), np.array(weights), 50)


def test_calibration_finds_the_ends_of_a_uniform_distribution():
    """One pixel at each of the 1001 indices .000 .. 1.000: 5 % of them are 51, up to .050; 95 % are 951, up to .950."""
    values = np.arange(1001) / 1000
    assert calibrate_end_members(values, np.ones(1001), (5, 95)) == EndMembers(0.05, 0.95)


def test_calibration_counts_pixels_by_their_covered_share():
    """Half of a pixel counts half: 100 at .10 and 200 halves at .80 put the median at the first of both."""
    values, weights = np.array([0.10, 0.80]), np.array([100.0, 200 * 0.5])
    assert calibrate_end_members(values, weights, (50, 51)) == EndMembers(0.10, 0.80)


@pytest.mark.parametrize(
    ("values", "weights", "says"),
    [
        ([0.1, 0.8], [49.0, 50.0], "99 clear pixel-years are fewer than the 100 needed"),
        ([-0.2, 0.8], [50.0, 50.0], "soil end-member -0.200"),
        ([0.1, 0.2], [50.0, 50.0], "vegetation end-member 0.200"),
    ],
)
def test_calibration_that_cannot_be_trusted_is_refused(values, weights, says):
    with pytest.raises(ValueError, match=says):
        calibrate_end_members(np.array(values), np.array(weights), (5, 95))
