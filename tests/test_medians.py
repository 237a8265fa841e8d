"""Median and geometric median of a season on pixels whose answers are worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.compositing.composite_methods import COMPOSITES, bytes_per_pixel_and_day
from pipeline.compositing.indices import INDICES, bands_of
from pipeline.compositing.median import geometric_median, median_of_days
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER
from pipeline.variables import INDEX_NODATA

LAND, LAKE, CLOUD = CLEAR, CLEAR | WATER, BUFFERED
METHODS = [name for name in COMPOSITES if name != "max_index"]


def day(kind=LAND, nodata=0.0, **values):
    """One pixel: its class, and its bands as stored integers in steps of 1e-4."""
    return np.array([[kind]], "uint8"), {
        name: (np.array([[value]], "uint16"), 1e-4, 0.0, nodata) for name, value in values.items()
    }


def composite(method, *days, indices=("ndvi",), same_day=False):
    """The layers of one pixel, each a number."""
    season = COMPOSITES[method]((1, 1), indices, len(days))
    for number, observed in enumerate(days):
        if not same_day or number == 0:
            season.next_day(200 + number)
        season.add(*observed)
    return {name: layer.item() for name, layer in season.layers().items()}


# NDVI .2, .6 and .4 of sums .5, .5 and .5
THREE = (day(red=2000, nir=3000), day(red=1000, nir=4000), day(red=1500, nir=3500))


def test_the_three_methods_on_three_observations():
    """(.2, .3), (.1, .4) and (.15, .35) lie on a line: the middle one is the median and the geometric median."""
    assert composite("max_index", *THREE) == {"ndvi": 6000, "clear_count": 3, "water_count": 0, "peak_day": 201}
    assert composite("median", *THREE) == {"ndvi": 4000, "clear_count": 3, "water_count": 0, "peak_day": 0}
    assert composite("geometric_median", *THREE) == {"ndvi": 4000, "clear_count": 3, "water_count": 0, "peak_day": 0}


def test_a_glint_moves_the_maximum_and_not_the_medians():
    days = (*THREE, THREE[2], day(red=100, nir=4000))  # NDVI .951
    assert composite("max_index", *days)["ndvi"] == 9512
    assert composite("median", *days)["ndvi"] == 4000
    assert composite("geometric_median", *days)["ndvi"] == pytest.approx(4000, abs=400)


def test_the_median_of_two_is_their_mean_and_each_index_has_its_own():
    """NDVI .2 and .6; SAVI .15 and .45: the mean of two each. MSAVI is not linear in them."""
    found = composite("median", *THREE[:2], indices=("ndvi", "savi", "msavi"))
    assert (found["ndvi"], found["savi"]) == (4000, 3000)
    msavi = [INDICES["msavi"].of(red, nir) for red, nir in ((0.2, 0.3), (0.1, 0.4))]
    assert found["msavi"] == pytest.approx(np.mean(msavi) * 1e4, abs=1)


def test_the_geometric_median_gives_all_indices_of_one_reflectance():
    """(.10, .30), (.20, .30) and (.15, .50): Fermat's point sees each side under 120 degrees, so it lies on the axis
    .05 / tan 60 = .028868 above the base."""
    days = (day(red=1000, nir=3000), day(red=2000, nir=3000), day(red=1500, nir=5000))
    found = composite("geometric_median", *days, indices=("ndvi", "savi", "kndvi"))
    for name in ("ndvi", "savi", "kndvi"):
        assert found[name] == pytest.approx(INDICES[name].of(0.15, 0.328868) * 1e4, abs=1)


def stack(*points):
    """(bands, days, 1, 1) int16 of points in reflectance."""
    return np.round(np.array(points).T * 1e4).astype("int16")[:, :, None, None]


@pytest.mark.parametrize(
    ("points", "answer"),
    [
        ([(0.1, 0.3)], (0.1, 0.3)),
        ([(0.1, 0.3), (0.2, 0.5)], (0.15, 0.4)),  # any point between would do: the middle
        ([(0.10, 0.30), (0.14, 0.30), (0.12, 0.3346)], (0.12, 0.31155)),  # all sides .04: the centre
        ([(0.10, 0.30), (0.20, 0.31), (0.30, 0.30)], (0.20, 0.31)),  # more than 120 degrees at the middle one: it
        ([(0.1, 0.3), (0.1, 0.3), (0.5, 0.6)], (0.1, 0.3)),  # two of three agree
        ([(0.1, 0.3), (0.2, 0.4), (0.1, 0.4), (0.2, 0.3)], (0.15, 0.35)),  # a square: where its diagonals cross
        # nearly on a line: one within the triangle of the others, it; four corners, where their diagonals cross
        ([(0.0925, 0.3196), (0.0755, 0.3888), (0.0518, 0.4499), (0.0503, 0.5067)], (0.0755, 0.3888)),
        ([(0.0326, 0.4500), (0.0648, 0.3771), (0.0796, 0.2773), (0.0784, 0.2805)], (0.078047, 0.283005)),
        ([(0.1, 0.3, 0.2), (0.2, 0.4, 0.3), (0.3, 0.5, 0.4)], (0.2, 0.4, 0.3)),  # three bands on a line
        # nearly so: the first is pulled by 1 + 8e-8, and the minimum, of 80 bits, lies ten steps off
        (
            [
                (0.3025, 0.2918, 0.3071),
                (0.2692, 0.3998, 0.2136),
                (0.3247, 0.2200, 0.3692),
                (0.3463, 0.1497, 0.4298),
                (0.2690, 0.4002, 0.2135),
                (0.2747, 0.3822, 0.2289),
            ],
            (0.302187, 0.292819, 0.306218),
        ),
    ],
)
def test_geometric_medians_known_from_geometry(points, answer):
    assert geometric_median(stack(*points)).ravel() == pytest.approx(answer, abs=2e-5)


@pytest.mark.parametrize("bands", [2, 3])
@pytest.mark.parametrize("pairs", [2, 3, 6])
@pytest.mark.parametrize(("here", "beyond"), [(0, 0), (1, 0), (1, 1), (3, 2)])
@pytest.mark.parametrize("wide", [3, 50, 1000])
def test_observations_in_pairs_on_opposite_sides_have_their_geometric_median_between(bands, pairs, here, beyond, wide):
    """Unit vectors to a pair cancel at any point between its two, and those that lie ``here`` hold as many ``beyond``.
    The minimum is flat, so hard to find, where all lie nearly on a line, as those ``wide`` steps across do."""
    pixels, random = 300, np.random.default_rng([bands, pairs, here, wide])
    middle = random.integers(2000, 4000, (bands, 1, pixels))
    along = random.integers(-40, 41, (bands, 1, pixels)) * 10
    way = along + random.integers(-wide, wide + 1, (bands, pairs, pixels))
    way[:2, :2] += np.array([[1, -1], [-1, -1]])[:, :, None] * wide  # not all the same way
    near, far = random.integers(1, 4, (2, pairs, pixels))
    extra = middle + random.integers(100, 999, (bands, beyond, pixels))
    seen = np.concatenate([middle - near * way, middle + far * way, np.repeat(middle, here, axis=1), extra], axis=1)
    found = geometric_median(seen.astype("int16")[:, :, None])
    assert found[:, 0] == pytest.approx(middle[:, 0] * 1e-4, abs=5e-6)


def test_a_geometric_median_takes_three_bands_at_most():
    with pytest.raises(ValueError, match="three bands at most"):
        geometric_median(np.zeros((4, 3, 1, 1), "int16"))
    assert len(bands_of(tuple(INDICES))) == 3


points = arrays(
    "int16", st.tuples(st.just(2), st.integers(3, 9), st.just(1), st.just(1)), elements=st.integers(1, 6000)
)


@given(points)
def test_no_reflectance_nearby_is_nearer_to_all_observations(seen):
    observed = seen[:, :, 0, 0].T * 1e-4

    def distance(place):
        return np.sqrt(((observed - place) ** 2).sum(axis=1)).sum()

    found = geometric_median(seen).ravel().astype(float)
    around = [found + 1e-3 * np.array([np.cos(a), np.sin(a)]) for a in np.arange(8) * np.pi / 4]
    assert distance(found) <= min(map(distance, [*around, *observed])) + 2e-5


@given(arrays("int16", (7, 2, 3), elements=st.one_of(st.just(INDEX_NODATA), st.integers(-10_000, 10_000))))
def test_the_median_is_that_of_numpy(seen):
    known = np.ma.masked_equal(seen, INDEX_NODATA)
    expected = np.rint(np.ma.median(known, axis=0).astype(float)).filled(INDEX_NODATA)
    assert median_of_days(seen).tolist() == expected.astype(int).tolist()
    assert median_of_days(seen[::-1]).tolist() == median_of_days(seen).tolist()


@pytest.mark.parametrize("method", COMPOSITES)
def test_a_pixel_that_was_never_clear_is_nodata_by_any_method(method):
    nothing = {"ndvi": INDEX_NODATA, "clear_count": 0, "water_count": 0, "peak_day": 0}
    assert composite(method, day(CLOUD, red=1000, nir=4000)) == nothing
    assert {name: layer.item() for name, layer in COMPOSITES[method]((1, 1)).layers().items()} == nothing


@pytest.mark.parametrize("method", METHODS)
def test_clouds_and_missing_values_are_no_observations(method):
    days = (THREE[0], day(CLOUD, red=100, nir=6000), day(red=0, nir=6000), THREE[2], THREE[1])
    found = composite(method, *days)
    assert (found["ndvi"], found["clear_count"]) == (4000, 3)


@pytest.mark.parametrize("method", METHODS)
def test_overlapping_tiles_of_one_day_are_one_observation(method):
    found = composite(method, *THREE, same_day=True)
    assert (found["ndvi"], found["clear_count"]) == (2000, 1)  # the first


@pytest.mark.parametrize("method", METHODS)
def test_water_is_clear_and_counted_apart(method):
    found = composite(method, *(day(LAKE, red=800, nir=400) for _ in range(3)))
    assert found == {"ndvi": -3333, "clear_count": 3, "water_count": 3, "peak_day": 0}


def test_a_geometric_median_takes_observations_that_have_all_bands():
    days = [day(red=1000, nir=4000, swir16=0), *(day(red=1500, nir=3500, swir16=s) for s in (1500, 2000, 3000))]
    found = composite("geometric_median", *days, indices=("ndvi", "ndmi"))
    assert (found["ndvi"], found["clear_count"]) == (4000, 4)
    assert found["ndmi"] == 2727  # (.35 - .20) / (.35 + .20)


@pytest.mark.parametrize("method", METHODS)
def test_impossible_reflectance_is_refused_by_any_method(method):
    season = COMPOSITES[method]((10, 10), ("ndvi",), 1)
    season.next_day(213)
    scene = {name: (np.full((10, 10), 3000, "uint16"), 1.0, 0.0, 0.0) for name in ("red", "nir")}
    with pytest.raises(ValueError, match="100% of its clear land has impossible reflectance"):
        season.add(np.full((10, 10), LAND, "uint8"), scene)


def test_memory_of_the_days_is_that_of_what_is_kept():
    """A maximum keeps no day; medians keep int16 of each index or band."""
    indices = ("ndvi", "ndmi", "msavi")
    assert bytes_per_pixel_and_day("max_index", indices) == 0
    assert bytes_per_pixel_and_day("median", indices) == 2 * 3
    assert bytes_per_pixel_and_day("geometric_median", indices) == 2 * 3  # red, nir, swir16
    assert bytes_per_pixel_and_day("geometric_median", ("ndvi", "msavi")) == 2 * 2
