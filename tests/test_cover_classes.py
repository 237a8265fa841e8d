"""Areas of cover classes, by hand and against the pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.mapping.cover_classes import CLASS_COLUMNS, SCHEMES, class_rows, cover_class_areas
from pipeline.mapping.zone_pixels import SketchBuilder
from pipeline.stock.sketch import LEVELS, per_level
from pipeline.vegetation import EndMembers
from pipeline.zones.zone import Zone

ENDS = EndMembers(0.1, 0.7)
COVER = per_level(ENDS.cover)
ZONE = Zone("G01", "草原一区", "grassland", "typical_steppe", 150.0, None, None)


def sketch_of(index, water=None, fractions=None):
    """A sketch of pixels in a row: stored index (years, pixels)."""
    index = np.array(index, "int16")[:, None, :]
    water = np.zeros(index.shape, bool) if water is None else np.array(water, bool)[:, None, :]
    fractions = np.ones(index.shape[1:], "float32") if fractions is None else np.array([fractions], "float32")
    builder = SketchBuilder()
    builder.add(fractions, index, np.ones(index.shape[1:], "uint16"), water)
    return builder.sketch()


def level(cover):
    """The stored index of a cover between the end-members."""
    return round((0.1 + 0.6 * cover) * 1e4)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_classes_are_gap_free_from_0_to_1(scheme):
    classes = SCHEMES[scheme]
    assert (classes[0].lower, classes[-1].upper) == (0, 1)
    assert [c.upper for c in classes[:-1]] == [c.lower for c in classes[1:]]
    assert len({c.key for c in classes}) == len(classes)


@pytest.mark.parametrize(
    ("scheme", "bounds"), [("sl190", (0.30, 0.45, 0.60, 0.75)), ("five", (0.10, 0.30, 0.50, 0.70))]
)
def test_a_class_holds_its_lower_bound(scheme, bounds):
    """A pixel exactly at each bound and one index step below it."""
    levels = [level(bound) - below for bound in bounds for below in (0, 1)]
    shares = cover_class_areas(sketch_of([levels]), COVER, scheme) * 8
    assert shares == pytest.approx([1, 2, 2, 2, 1])


def test_areas_of_five_pixels_by_hand():
    """Covers .0, .30, .44, .90 of whole pixels and .60 of half a one; a whole pixel of water; one never seen."""
    nodata = -32768
    index = [[level(0), level(0.30), level(0.44), level(0.90), level(0.60), level(0.2), nodata]]
    water = [[False] * 5 + [True, False]]
    sketch = sketch_of(index, water, [1, 1, 1, 1, 0.5, 1, 1])
    assert cover_class_areas(sketch, COVER, "sl190") == pytest.approx(np.array([1, 2, 0, 0.5, 1]) / 5.5)
    assert sketch.water_fraction == pytest.approx(1 / 5.5)


def test_two_years_of_a_pixel_count_half_each():
    assert cover_class_areas(sketch_of([[level(0.2)], [level(0.5)]]), COVER, "sl190").tolist() == [0.5, 0, 0.5, 0, 0]


@given(arrays("int16", (2, 30), elements=st.integers(-2000, 9000)), st.sampled_from(list(SCHEMES)))
def test_areas_of_a_sketch_are_those_of_its_pixels(index, scheme):
    found = cover_class_areas(sketch_of(index), COVER, scheme)
    cover = np.clip((index.astype(int) - 1000) / 6000, 0, 1)
    expected = [
        np.mean((cover >= c.lower - 1e-9) & ((cover < c.upper - 1e-9) | (c.upper == 1))) for c in SCHEMES[scheme]
    ]
    assert found == pytest.approx(expected)
    assert found.sum() == pytest.approx(1)


def test_any_cover_model_gives_areas():
    """The square of a cover of .55 is .3025: medium-low, not medium."""
    squared = per_level(EndMembers(0.1, 0.7, model="carlson_ripley").cover)
    assert cover_class_areas(sketch_of([[level(0.55)]]), squared, "sl190").tolist() == [0, 1, 0, 0, 0]


def test_classes_of_nothing_are_unknown():
    assert np.isnan(cover_class_areas(sketch_of([[-32768]]), COVER, "sl190")).all()
    rows = class_rows(ZONE, {"2023": sketch_of([[-32768]])}, COVER, "sl190", 0.5)
    assert {(row["area_ha"], row["area_mu"], row["fraction"]) for row in rows} == {(None, None, None)}


def test_rows_add_up_to_the_zone():
    """150 ha of three pixels, one of them water: 50 ha are 750 mu."""
    index, water = [[level(0.2), level(0.8), level(0.1)]], [[False, False, True]]
    rows = class_rows(ZONE, {"2023": sketch_of(index, water)}, COVER, "sl190", 0.5)
    assert [row["class_key"] for row in rows] == ["low", "medium_low", "medium", "medium_high", "high", "open_water"]
    assert [row["area_ha"] for row in rows] == pytest.approx([50, 0, 0, 0, 50, 50])
    assert [row["area_mu"] for row in rows] == pytest.approx([750, 0, 0, 0, 750, 750])
    assert [(row["lower"], row["upper"]) for row in rows][-2:] == [(0.75, 1.0), (None, None)]
    assert all(row.keys() == CLASS_COLUMNS.keys() for row in rows)
    assert {row["status"] for row in rows} == {"unverified"}


def test_a_zone_seen_too_little_has_fractions_and_no_areas():
    sketch = sketch_of([[level(0.2), -32768, -32768]])
    rows = class_rows(ZONE, {"2023": sketch}, COVER, "five", 0.5)
    assert [row["fraction"] for row in rows] == [0, 1, 0, 0, 0, 0]
    assert {row["area_ha"] for row in rows} == {None}


def test_every_index_level_has_one_class():
    assert COVER.shape == LEVELS.shape
    classes = [cover_class_areas(sketch_of([[at]]), COVER, "five") for at in (-10_000, 0, 10_000)]
    assert [list(shares).index(1) for shares in classes] == [0, 0, 4]
