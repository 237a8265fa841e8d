"""Zone sketches: what is read off them equals what the pixels give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.mapping.zone_pixels import SketchBuilder, mean_of_years, open_water, places
from pipeline.stock.sketch import INDEX, Sketch, per_level, pool
from pipeline.stock.sketch_file import load_sketches, save_sketches
from pipeline.variables import INDEX_NODATA

SHAPE = (4, 3)
QUANTITIES = [lambda x: x, lambda x: np.clip((x - 0.1) / 0.6, 0, 1), lambda x: x**3 - 2 * x + 5]
"""Linear, clipped and nonlinear in the index."""


@st.composite
def zones(draw):
    """Covered fractions, and of one to four years index, clear count and open water, of 4 x 3 pixels."""
    years = draw(st.integers(1, 4))
    levels = st.one_of(st.just(INDEX_NODATA), st.integers(-10_000, 10_000))
    index = draw(arrays("int16", (years, *SHAPE), elements=levels))
    water = draw(arrays("bool", (years, *SHAPE)))
    fractions = draw(arrays("float32", SHAPE, elements=st.one_of(st.just(0.0), st.floats(2**-10, 1, width=32))))
    clear = draw(arrays("uint16", SHAPE, elements=st.integers(0, 30)))
    return fractions, index, clear, water


def sketch_of(*windows):
    builder = SketchBuilder()
    for fractions, index, clear, water in windows:
        builder.add(fractions, index, clear, water)
    return builder.sketch()


def pixel_mean(quantity, fractions, index, _, water):
    """Weighted mean over observed pixels of each pixel's mean over its observed years; open water holds none."""
    values = np.where(water, 0.0, quantity(index * 1e-4))
    seen = index != INDEX_NODATA
    years = seen.sum(axis=0)
    mean = np.where(seen, values, 0).sum(axis=0) / np.maximum(years, 1)
    weights = fractions.astype(float) * (years > 0)
    return (mean * weights).sum() / weights.sum() if weights.sum() else np.nan


@given(zones(), st.sampled_from(QUANTITIES))
def test_means_of_a_sketch_are_the_means_of_its_pixels(zone, quantity):
    mean = sketch_of(zone).mean(per_level(quantity))
    assert mean == pytest.approx(pixel_mean(quantity, *zone), rel=1e-6, abs=2e-6, nan_ok=True)


@given(zones(), st.sampled_from(QUANTITIES))
def test_a_map_holds_the_pixels_that_the_sketch_is_the_mean_of(zone, quantity):
    fractions, index, _, water = zone
    map_ = mean_of_years(index, water, per_level(quantity), True, fractions)
    seen = (index != INDEX_NODATA).any(axis=0)
    seen &= fractions > 0
    assert (np.isnan(map_) == ~seen).all()
    weights = fractions.astype(float)[seen]
    mean = (map_[seen] * weights).sum() / weights.sum() if weights.sum() else np.nan
    assert mean == pytest.approx(sketch_of(zone).mean(per_level(quantity)), rel=1e-5, abs=1e-5, nan_ok=True)


def test_a_year_has_the_ground_that_was_seen_in_it():
    """A whole pixel seen in both years gives each a half, a quarter of one seen in the second gives it .25."""
    index = np.array([[[2000, INDEX_NODATA]], [[4000, 3000]]], "int16")
    fractions = np.array([[1, 0.25]], "float32")
    sketch = sketch_of((fractions, index, np.ones((1, 2), "uint16"), np.zeros(index.shape, bool)))
    assert sketch.years.tolist() == [0.5, 0.75]


@given(zones())
def test_the_years_have_all_that_was_observed(zone):
    sketch = sketch_of(zone)
    assert sketch.years.sum() == pytest.approx(sketch.observed)


def test_a_mapped_index_counts_water_too():
    """.2 and .4 under water: the index is .3, a stock of 10 x index is 1 of the dry year alone, shared by both."""
    index, water = np.array([[[2000]], [[4000]]], "int16"), np.array([[[False]], [[True]]])
    fractions = np.ones((1, 1), "float32")
    assert mean_of_years(index, water, INDEX, False, fractions) == pytest.approx(0.3)
    assert mean_of_years(index, water, per_level(lambda x: 10 * x), True, fractions) == pytest.approx(1.0)


@given(zones())
def test_sizes_of_a_sketch_are_those_of_its_pixels(zone):
    fractions, index, _, water = zone
    sketch = sketch_of(zone)
    seen = index != INDEX_NODATA
    observed = fractions.astype(float)[seen.any(axis=0)].sum()
    assert sketch.size == pytest.approx(fractions.sum(dtype=float))
    assert sketch.observed == pytest.approx(observed)
    wet = (seen & water).sum(axis=0) / np.maximum(seen.sum(axis=0), 1) * fractions.astype(float)
    assert sketch.water_fraction == pytest.approx(wet.sum() / observed if observed else np.nan, nan_ok=True)
    dry = (fractions, index, zone[2], np.zeros_like(water))
    assert sketch.mean_index == pytest.approx(pixel_mean(lambda x: x, *dry), abs=1e-6, nan_ok=True)


@given(zones(), st.integers(0, 4), st.integers(0, 3))
def test_sketches_of_windows_add_up_to_that_of_the_whole(zone, row, column):
    parts = [
        tuple(layer[..., rows, columns] for layer in zone)
        for rows in (slice(0, row), slice(row, None))
        for columns in (slice(0, column), slice(column, None))
    ]
    whole, together = sketch_of(zone), sketch_of(*parts)
    for name in ("land", "water", "clear", "size"):
        assert np.allclose(getattr(together, name), getattr(whole, name), rtol=1e-12)


def test_two_years_of_three_pixels_by_hand():
    """A whole pixel of index .2 then .4; half a pixel seen once, .6 but under water; a pixel never seen."""
    fractions = np.array([[1, 0.5, 1, 0]], "float32")
    index = np.array([[[2000, INDEX_NODATA, INDEX_NODATA, 9999]], [[4000, 6000, INDEX_NODATA, 9999]]], "int16")
    water = np.array([[[False] * 4], [[False, True, False, False]]])
    sketch = sketch_of((fractions, index, np.array([[5, 1, 0, 99]]), water))
    assert (sketch.size, sketch.observed, sketch.observed_fraction) == (2.5, 1.5, 0.6)
    assert sketch.mean_index == pytest.approx((1 * 0.3 + 0.5 * 0.6) / 1.5)
    assert sketch.mean(per_level(lambda x: 10 * x)) == pytest.approx(1 * 3.0 / 1.5)
    assert sketch.water_fraction == pytest.approx(0.5 / 1.5)
    assert sketch.clear_median == 1  # 1 pixel of 0, half a pixel of 1, 1 pixel of 5: the middle is at 1.25
    assert pool([sketch, sketch])[[12_000, 14_000, 16_000]].tolist() == [1, 1, 0]


NOTHING_SEEN = (np.ones(SHAPE, "float32"), np.full((2, *SHAPE), INDEX_NODATA, "int16"), np.zeros(SHAPE, "uint16"),
                np.zeros((2, *SHAPE), "bool"))  # fmt: skip


@pytest.mark.parametrize("windows", [[NOTHING_SEEN], []], ids=["nothing clear", "no window"])
def test_means_of_nothing_are_unknown_and_not_zero(windows):
    sketch = sketch_of(*windows)
    assert np.isnan([sketch.mean(per_level(QUANTITIES[0])), sketch.mean_index, sketch.water_fraction]).all()
    assert (sketch.observed, sketch.clear_median) == (0, 0)
    assert sketch.observed_fraction == 0


@pytest.mark.parametrize(
    ("clear", "water", "share", "open_"),
    [
        (4, 2, 0.5, True),  # a wetland: half of the clear observations
        (4, 1, 0.5, False),
        (5, 2, 0.5, False),
        (4, 3, 1.0, False),  # land: all of them, since mountain shadow is often classed as water
        (4, 4, 1.0, True),
        (0, 0, 0.5, False),  # never seen
        (4, 0, 0.0, False),
    ],
)
def test_a_pixel_is_open_water_by_its_share_of_water(clear, water, share, open_):
    assert open_water(np.array([[[clear]]], "uint8"), np.array([[[water]]], "uint8"), share) == [[[open_]]]


def test_years_of_a_period_are_found_among_all():
    """2020 lies between the two of a period, and is none of them."""
    years = [2019, 2020, 2021, 2024]
    assert places((2019, 2021), years) == [0, 2]
    assert places((2021, 2024), years) == slice(2, 4)


def test_saved_sketches_come_back(tmp_path):
    zone = (np.full(SHAPE, 0.25, "float32"), np.full((1, *SHAPE), 4321, "int16"), np.full(SHAPE, 7, "uint16"),
            np.eye(*SHAPE, dtype="bool")[None])  # fmt: skip
    sketches = {"2019": sketch_of(zone), "2019-2021": sketch_of(zone, zone), "2020": sketch_of(NOTHING_SEEN)}
    save_sketches(tmp_path / "F01.npz", sketches)
    back = load_sketches(tmp_path / "F01.npz")
    assert list(back) == list(sketches)
    for label, sketch in sketches.items():
        assert isinstance(back[label], Sketch)
        assert back[label].size == sketch.size
        assert all((getattr(back[label], name) == getattr(sketch, name)).all() for name in ("land", "water", "clear"))
