"""Cover of the dimidiate pixel model, its end-members and their calibration."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.compositing.indices import INDICES
from pipeline.vegetation import (
    GUARDS,
    EndMembers,
    carlson_ripley_cover,
    linear_cover,
    percentile_end_members,
    two_end_member_cover,
    weighted_percentile,
)

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
    assert EndMembers(soil, vegetation).cover(np.array(index)) == pytest.approx(cover, abs=5e-6)


SOIL, VEGETATION, TRUE = np.array([0.25, 0.30]), np.array([0.04, 0.45]), np.array([0.1, 0.2, 0.3, 0.5, 0.7])
"""science.md section 3: red and NIR of the two end-members, and the covers at which they are mixed."""


def test_mixed_pixels_by_the_three_models():
    """The table of science.md 3: reflectance mixes by area, NDVI does not."""
    red, nir = np.outer(SOIL, 1 - TRUE) + np.outer(VEGETATION, TRUE)
    ndvi = (nir - red) / (nir + red)
    assert ndvi == pytest.approx([0.1581, 0.2268, 0.2970, 0.4423, 0.5945], abs=5e-5)
    soil, vegetation = 0.05 / 0.55, 0.41 / 0.49
    assert linear_cover(ndvi, soil, vegetation) == pytest.approx([0.0901, 0.1822, 0.2763, 0.4712, 0.6752], abs=5e-5)
    squared = carlson_ripley_cover(ndvi, soil, vegetation)
    assert squared == pytest.approx([0.0081, 0.0332, 0.0764, 0.2220, 0.4559], abs=5e-5)
    assert two_end_member_cover(ndvi, soil, vegetation, 0.55, 0.49) == pytest.approx(TRUE, abs=1e-12)


def test_carlson_and_ripley_square_the_linear_cover():
    """science.md 9: index .25 between .10 and .70."""
    assert EndMembers(0.10, 0.70, model="carlson_ripley").cover(np.array(0.25)) == pytest.approx(0.0625)


def test_two_end_members_of_the_same_brightness_mix_linearly():
    index = np.linspace(-0.2, 1, 25)
    exact = EndMembers(0.1, 0.8, model="two_end_member", sums=(0.5, 0.5))
    assert exact.cover(index) == pytest.approx(EndMembers(0.1, 0.8).cover(index))


MODELS = {
    "linear": EndMembers(0.1, 0.8),
    "carlson_ripley": EndMembers(0.1, 0.8, model="carlson_ripley"),
    "two_end_member": EndMembers(0.1, 0.8, model="two_end_member", sums=(0.55, 0.49)),
}


@pytest.mark.parametrize("model", MODELS)
def test_draws_of_end_members_broadcast_over_the_index(model):
    """An index of (k, 1) and one number a draw (n,) give (k, n), also outside the guards of the best estimate."""
    index, random = np.linspace(-0.2, 1, 13)[:, None], np.random.default_rng(0)
    soil, vegetation = random.uniform(-0.1, 0.35, 7), random.uniform(0.4, 0.95, 7)
    drawn = MODELS[model].drawn(soil, vegetation)
    together = drawn.cover(index)
    assert together.shape == (13, 7)
    for draw in range(7):
        alone = MODELS[model].drawn(soil[draw], vegetation[draw]).cover(index)
        assert together[:, [draw]] == pytest.approx(alone)
    assert ((together >= 0) & (together <= 1)).all()
    assert (MODELS[model].soil, MODELS[model].vegetation) == (0.1, 0.8)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_gives_0_at_soil_1_at_vegetation_and_nothing_for_nothing(model):
    index = np.array([-0.5, 0.1, 0.8, 0.95, np.nan], "float32")
    cover = MODELS[model].cover(index)
    assert cover[:4] == pytest.approx([0, 0, 1, 1], abs=1e-6)
    assert np.isnan(cover[4])


@pytest.mark.parametrize(("soil_error", "error"), [(0.05, 0.0738), (0.10, 0.131)])
def test_the_error_of_a_cover_is_mostly_that_of_its_soil(soil_error, error):
    """science.md 3: index .25 +- .02 between soil .10 and vegetation .70 +- .05, to first order."""
    step = 1e-4
    slopes = [
        (linear_cover(0.25 + a, 0.10 + b, 0.70 + c) - linear_cover(0.25, 0.10, 0.70)) / step
        for a, b, c in np.eye(3) * step
    ]
    assert np.hypot.reduce(np.array(slopes) * (0.02, soil_error, 0.05)) == pytest.approx(error, abs=5e-4)


@given(indices, indices, pairs)
def test_cover_lies_within_0_and_1_and_never_falls_as_the_index_grows(one, other, ends):
    low, high = ends.cover(np.sort(np.array([one, other])))
    assert 0 <= low <= high <= 1


def test_cover_of_an_unknown_index_is_unknown():
    assert np.isnan(EndMembers(0.1, 0.7).cover(np.array([np.nan]))).all()


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


@pytest.mark.parametrize("index", ["evi2", "savi", "msavi", "kndvi"])
def test_guards_of_an_index_are_those_of_ndvi_at_the_brightness_of_soil_and_vegetation(index):
    """R + N of .55 and .49; the span is that from the brightest soil of NDVI .15 to vegetation of .45."""

    def at(ndvi, total):
        return float(INDICES[index].of(total * (1 - ndvi) / 2, total * (1 + ndvi) / 2))

    ndvi = GUARDS["ndvi"]
    carried = (at(ndvi.least_soil, 0.55), at(ndvi.most_soil, 0.55), at(ndvi.least_vegetation, 0.49),
               at(ndvi.least_vegetation, 0.49) - at(ndvi.least_vegetation - ndvi.least_span, 0.55))  # fmt: skip
    assert tuple(GUARDS[index]) == pytest.approx(carried, abs=0.006)


def test_end_members_are_guarded_in_units_of_their_index():
    """A soil of kNDVI .008 is one of NDVI .09; of NDVI .008 it would be water."""
    assert EndMembers(0.008, 0.4, "kndvi").index == "kndvi"
    with pytest.raises(ValueError, match=r"outside 0\.03-0\.25"):
        EndMembers(0.008, 0.5)


@pytest.mark.parametrize("model", [{"model": "two_end_member"}, {"model": "linear", "sums": (0.5, 0.5)}])
def test_reflectance_sums_go_with_the_two_end_member_model_alone(model):
    with pytest.raises(ValueError, match="two_end_member, and no other"):
        EndMembers(0.1, 0.8, **model)


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
    assert percentile_end_members(values, np.ones(1001), (5, 95)) == (0.05, 0.95, 1001)


def test_calibration_counts_pixels_by_their_covered_share():
    """Half of a pixel counts half: 100 at .10 and 200 halves at .80 put the median at the first of both."""
    values, weights = np.array([0.10, 0.80]), np.array([100.0, 200 * 0.5])
    assert percentile_end_members(values, weights, (50, 51)) == (0.10, 0.80, 200)


def test_calibration_leaves_out_what_is_below_0():
    """Water among the soil pulls the soil end-member down (Jiao 2018): of 300 values 100 are below 0."""
    values, weights = np.array([-0.2, 0.1, 0.8]), np.array([100.0, 100, 100])
    assert percentile_end_members(values, weights, (5, 95)) == (0.1, 0.8, 200)


@pytest.mark.parametrize("percentiles", [(0.5, 99.5), (0.5, 95), (5, 99.5)])
def test_percentiles_of_the_far_ends_need_many_pixels(percentiles):
    values = np.array([0.1, 0.8])
    with pytest.raises(ValueError, match="need more than 100000 clear pixel-years, not 100000"):
        percentile_end_members(values, np.array([50_000.0, 50_000]), percentiles)
    assert percentile_end_members(values, np.array([50_000.0, 50_001]), percentiles) == (0.1, 0.8, 100_001)


@pytest.mark.parametrize("negative", [0.0, 1000.0])
def test_calibration_on_few_pixels_is_refused(negative):
    with pytest.raises(ValueError, match="99 clear pixel-years are fewer than the 100 needed"):
        percentile_end_members(np.array([-0.2, 0.1, 0.8]), np.array([negative, 49, 50]), (5, 95))
