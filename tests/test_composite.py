"""The yearly peak on 3 x 3 pixels by hand: masks, offsets, days, nodata, and scales that cannot be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.compositing.composite import buffer_clouds
from pipeline.compositing.composite_methods import PeakComposite
from pipeline.compositing.indices import INDICES, bands_of
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER
from pipeline.variables import INDEX_NODATA

LAND, LAKE, CLOUD, OFF = CLEAR, CLEAR | WATER, BUFFERED, 0
SHAPE = (3, 3)


def classes(value=LAND, **pixels):
    """3 x 3 of ``value``; p01=CLOUD sets row 0, column 1."""
    grid = np.full(SHAPE, value, "uint8")
    for place, special in pixels.items():
        grid[int(place[1]), int(place[2])] = special
    return grid


def bands(scale=1e-4, offset=0.0, nodata=0.0, dtype="uint16", **values):
    """Bands as stored integers or floats with one scale."""
    return {
        name: (np.broadcast_to(np.array(value, dtype), SHAPE).copy(), scale, offset, nodata)
        for name, value in values.items()
    }


def composite(*observations, indices=("ndvi",), by_day=True):
    """The layers of observations (classes, bands), each on a day of its own or all on one."""
    peak = PeakComposite(SHAPE, indices)
    for day, observed in enumerate(observations, start=213):
        if by_day:
            peak.next_day(day)
        peak.add(*observed)
    return peak.layers()


def test_the_peak_is_the_largest_clear_index():
    """NDVI .2, .6 and .4; the cloud hides the .6 at row 0, column 1, and the .4 at row 1, column 1."""
    layers = composite(
        (classes(), bands(red=2000, nir=3000)),
        (classes(p01=CLOUD), bands(red=1000, nir=4000)),
        (classes(p01=OFF, p11=CLOUD), bands(red=1500, nir=3500)),
    )
    assert layers["ndvi"].tolist() == [[6000, 2000, 6000], [6000, 6000, 6000], [6000, 6000, 6000]]
    assert layers["clear_count"].tolist() == [[3, 1, 3], [3, 2, 3], [3, 3, 3]]
    assert layers["peak_day"].tolist() == [[214, 213, 214], [214, 214, 214], [214, 214, 214]]
    assert layers["peak_day"].dtype == "uint16"
    assert (layers["water_count"] == 0).all()


def test_negative_reflectance_of_dark_ground_is_no_greenest_day():
    """Red -.004 and near infrared .012 differ by 2.0 of their sum; of -.0004 and .02 it is 1.04, held at 1. Deep water,
    .002 and -.001, is -3: held at -1, and seen."""
    day = classes(p22=LAKE), bands(red=2000, nir=3000, offset=-0.1)
    dark = classes(), bands(red=960, nir=1120, offset=-0.1)
    layers = composite(day, dark)
    assert (layers["ndvi"] == 3333).all()  # .1 / .3
    assert (layers["clear_count"] == 1).all()
    assert (composite((classes(), bands(red=996, nir=1200, offset=-0.1)))["ndvi"] == 10_000).all()
    deep = composite((classes(LAKE), bands(red=1020, nir=990, offset=-0.1)))
    assert (deep["ndvi"] == -10_000).all()
    assert (deep["water_count"] == 1).all()


def test_water_is_clear_and_counted_apart():
    layers = composite((classes(p22=LAKE), bands(red=800, nir=400)), (classes(), bands(red=800, nir=1000)))
    assert layers["ndvi"][2, 2] == 1111  # 200 / 1800
    assert layers["clear_count"].tolist() == [[2] * 3] * 3
    assert layers["water_count"].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 1]]


def test_nothing_but_cloud_is_nodata_and_not_zero():
    layers = composite((classes(CLOUD), bands(red=2000, nir=3000)))
    assert (layers["ndvi"] == INDEX_NODATA).all()
    assert (layers["clear_count"] == 0).all()
    assert (layers["peak_day"] == 0).all()


def test_counts_of_a_long_season_do_not_wrap_around():
    peak = PeakComposite(SHAPE)
    for _ in range(300):
        peak.next_day(213)
        peak.add(classes(LAKE), bands(red=800, nir=400))
    assert (peak.layers()["clear_count"] == 255).all()
    assert (peak.layers()["water_count"] == 255).all()


# Tiles of one day


def test_overlapping_tiles_of_one_day_are_one_observation():
    left, right = classes(p02=OFF, p12=OFF, p22=OFF), classes(p00=OFF, p10=OFF, p20=OFF)
    layers = composite((left, bands(red=2000, nir=3000)), (right, bands(red=1000, nir=4000)), by_day=False)
    assert layers["clear_count"].tolist() == [[1] * 3] * 3
    assert layers["ndvi"].tolist() == [[2000, 2000, 6000]] * 3  # where both see, the first counts


def test_a_tile_that_is_not_wanted_changes_nothing_had_it_been_added():
    """Reading is saved where a tile has no clear pixel left to give, and that must not show in the result:
    otherwise it would depend on how the grid is cut."""
    cloudy, clear = (classes(CLOUD), bands(red=3000, nir=3000)), (classes(), bands(red=1000, nir=4000))
    assert not PeakComposite(SHAPE).wanted(cloudy[0]).any()
    added, skipped = composite(cloudy, clear, by_day=False), composite(clear, by_day=False)
    assert added["clear_count"].tolist() == skipped["clear_count"].tolist()


def test_a_scene_is_wanted_for_a_clear_pixel_that_its_day_has_not_seen():
    peak = PeakComposite(SHAPE)
    assert not peak.wanted(classes(CLOUD)).any()
    assert peak.wanted(classes(CLOUD, p11=LAKE)).all()
    peak.add(classes(OFF, p11=LAND), bands(red=2000, nir=3000))
    assert not peak.wanted(classes(CLOUD, p11=LAND)).any()
    peak.next_day(213)
    assert peak.wanted(classes(CLOUD, p11=LAND)).all()


# Scale, offset, nodata


@pytest.mark.parametrize(
    ("observed", "ndvi"),
    [
        # science.md 1.1: DN 1900 and 3500 of baseline 04.00 are .09 and .25; ignored, the offset makes .2963
        (bands(red=1900, nir=3500, offset=-0.1), 0.4706),
        (bands(red=900, nir=2500), 0.4706),
        (bands(red=1300, nir=2000, offset=-0.1), 0.5385),
        (bands(red=9000, nir=18000, scale=2.75e-5, offset=-0.2), 0.7226),  # Landsat Collection 2
        (bands(red=0.09, nir=0.25, scale=1.0, nodata=np.nan, dtype="float32"), 0.4706),
        (bands(red=900, nir=2500, nodata=-9999.0, dtype="int16"), 0.4706),
    ],
)
def test_reference_digital_numbers_give_their_index(observed, ndvi):
    assert composite((classes(), observed))["ndvi"] == pytest.approx(round(ndvi * 1e4), abs=0)


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_an_offset_that_is_declared_changes_no_index(red, nir):
    plain = composite((classes(), bands(red=red, nir=nir)))
    shifted = composite((classes(), bands(red=red + 1000, nir=nir + 1000, offset=-0.1)))
    assert abs(int(plain["ndvi"][0, 0]) - int(shifted["ndvi"][0, 0])) <= 1  # a last digit of float
    assert plain["clear_count"].tolist() == shifted["clear_count"].tolist()


@given(st.integers(0, 2000), st.integers(0, 2000), st.sampled_from([0.0, -0.1]))
def test_the_index_is_always_within_its_range_or_nodata(red, nir, offset):
    ndvi = composite((classes(LAKE), bands(red=red, nir=nir, offset=offset)))["ndvi"]
    assert ((ndvi == INDEX_NODATA) | (np.abs(ndvi) <= 10_000)).all()


@pytest.mark.parametrize(
    "observed",
    [
        bands(red=0, nir=3000),
        bands(red=2000, nir=0),
        bands(red=np.nan, nir=0.3, scale=1.0, nodata=np.nan, dtype="float32"),
        bands(red=0.2, nir=np.nan, scale=1.0, nodata=-9999.0, dtype="float32"),  # NaN is never a value
        bands(red=-9999, nir=3000, nodata=-9999.0, dtype="int16"),
        bands(red=1000, nir=1000, offset=-0.1),  # N + R = 0
        bands(red=990, nir=1005, offset=-0.1),  # N + R < 0
    ],
)
def test_a_pixel_without_a_usable_sum_is_no_observation(observed):
    layers = composite((classes(), observed))
    assert (layers["ndvi"] == INDEX_NODATA).all()
    assert (layers["clear_count"] == 0).all()


def test_a_pixel_missing_in_one_tile_is_taken_from_the_next_of_that_day():
    hole = bands(red=2000, nir=3000)
    hole["red"][0][1, 1] = 0
    layers = composite((classes(), hole), (classes(), bands(red=1000, nir=4000)), by_day=False)
    assert layers["ndvi"].tolist() == [[2000, 2000, 2000], [2000, 6000, 2000], [2000, 2000, 2000]]
    assert layers["clear_count"].tolist() == [[1] * 3] * 3


@pytest.mark.parametrize(
    ("red", "nir", "scale", "offset"),
    [
        (1900, 3500, 1.0, 0.0),  # 0-10000 taken for reflectance
        (400, 2500, 1e-4, -0.1),  # the offset applied twice: red is -.06
        (1900, 3500, 1e-8, 0.0),  # 0-1 taken for 0-10000: EVI2 and the like would be 0
        (9000, 18000, 1e-4, 0.0),  # Landsat numbers with the scale of Sentinel-2: NIR is 1.8
    ],
)
def test_impossible_reflectance_is_refused(red, nir, scale, offset):
    shape = (10, 10)
    scene = {name: (np.full(shape, v, "uint16"), scale, offset, 0.0) for name, v in {"red": red, "nir": nir}.items()}
    with pytest.raises(ValueError, match="100% of its clear land has impossible reflectance"):
        PeakComposite(shape).add(np.full(shape, LAND, "uint8"), scene)


@pytest.mark.parametrize(("shadows", "refused"), [(0, False), (1, False), (2, True)])
def test_an_offset_applied_twice_shows_in_the_shadows_of_bright_ground(shadows, refused):
    """Steppe of .15 and .25 stays possible at .05 and .15, and would have an NDVI of .5 for .25; shadow of .04 and .06
    does not. Of 10 000 pixels more than a hundredth tell."""
    pixel_class = np.full((100, 100), LAND, "uint8")
    red, nir = np.full((100, 100), 1500, "uint16"), np.full((100, 100), 2500, "uint16")
    rows = slice(0, shadows)
    pixel_class[rows], red[rows], nir[rows] = 0, 400, 600
    scene = {"red": (red, 1e-4, -0.1, 0.0), "nir": (nir, 1e-4, -0.1, 0.0)}
    if refused:
        with pytest.raises(ValueError, match="2% of its pixels, shadow and water among them, have reflectance below"):
            PeakComposite((100, 100)).add(pixel_class, scene)
    else:
        PeakComposite((100, 100)).add(pixel_class, scene)


def test_the_edge_of_a_swath_that_one_band_alone_holds_says_nothing_of_an_offset():
    """The detectors of a band end some pixels before those of another: what is known of one alone is not counted."""
    red, nir = np.full((20, 20), 300, "uint16"), np.zeros((20, 20), "uint16")
    for off, other in ((red, nir), (nir, red)):
        PeakComposite((20, 20)).add(
            np.full((20, 20), LAND, "uint8"), {"red": (off, 1e-4, -0.1, 0.0), "nir": (other, 1e-4, -0.1, 0.0)}
        )


@pytest.mark.parametrize(("bright", "pixel_class", "refused"), [(60, LAND, True), (50, LAND, False), (60, LAKE, False)])
def test_a_few_glints_and_any_on_water_are_borne(bright, pixel_class, refused):
    """Of 100 clear pixels more than 50 (at least) and more than a tenth must be impossible; those that are borne count
    as not seen, but for water, which may well be dark."""
    red = np.full((10, 10), 1000, "uint16")
    red.flat[:bright] = 17_000
    scene = {"red": (red, 1e-4, 0.0, 0.0), "nir": (np.full_like(red, 3000), 1e-4, 0.0, 0.0)}
    peak = PeakComposite((10, 10))
    if refused:
        with pytest.raises(ValueError, match="60% of its clear land"):
            peak.add(np.full((10, 10), pixel_class, "uint8"), scene)
    else:
        peak.add(np.full((10, 10), pixel_class, "uint8"), scene)
        counted = np.full(100, 1)
        counted[: bright if pixel_class == LAND else 0] = 0
        assert peak.layers()["clear_count"].ravel().tolist() == counted.tolist()


def test_a_glint_is_no_peak_and_another_tile_of_the_day_may_see_its_pixel():
    """NIR of 6.5 over red of .1 would be an NDVI of .97."""
    shape = (10, 10)
    red, nir = np.full(shape, 1000, "uint16"), np.full(shape, 3000, "uint16")
    glint = nir.copy()
    glint[0, 0] = 65_000
    peak = PeakComposite(shape)
    peak.next_day(200)
    for values in (glint, nir):
        peak.add(np.full(shape, LAND, "uint8"), {"red": (red, 1e-4, 0.0, 0.0), "nir": (values, 1e-4, 0.0, 0.0)})
    layers = peak.layers()
    assert (layers["ndvi"] == 5000).all()
    assert (layers["clear_count"] == 1).all()


# Order

kinds = st.lists(st.sampled_from([LAND, LAKE, CLOUD, OFF]), min_size=9, max_size=9)
reflectances = st.integers(1, 5000)
observations = st.lists(st.tuples(reflectances, reflectances, kinds), min_size=1, max_size=6)


def observation(red, nir, kinds):
    return np.array(kinds, "uint8").reshape(SHAPE), bands(red=red, nir=nir)


@given(observations, st.randoms())
def test_the_order_of_days_does_not_matter(days, random):
    scenes = [observation(*day) for day in days]
    first, second = composite(*scenes), composite(*random.sample(scenes, len(scenes)))
    assert all((first[name] == second[name]).all() for name in ("ndvi", "clear_count", "water_count"))


@given(observations)
def test_no_more_water_than_clear_and_an_index_where_something_is_clear(days):
    layers = composite(*(observation(*day) for day in days))
    assert (layers["water_count"] <= layers["clear_count"]).all()
    assert ((layers["clear_count"] > 0) == (layers["ndvi"] != INDEX_NODATA)).all()


# A second index


def test_moisture_is_that_of_the_date_of_peak_ndvi():
    """NDMI 1/3 at NDVI .6; .6 at the lower NDVI .2 is not taken, whichever comes first."""
    dry, green = bands(red=2000, nir=3000, swir16=750), bands(red=1000, nir=4000, swir16=2000)
    for order in ([dry, green], [green, dry]):
        layers = composite(*((classes(), scene) for scene in order), indices=("ndvi", "ndmi"))
        assert (layers["ndvi"] == 6000).all()
        assert (layers["ndmi"] == 3333).all()
    assert bands_of(("ndvi", "ndmi")) == ("red", "nir", "swir16")


@pytest.mark.parametrize(
    "missing",
    [
        bands(red=1000, nir=4000, swir16=0),
        bands(red=0.1, nir=0.4, swir16=np.nan, scale=1.0, nodata=np.nan, dtype="float32"),
    ],
)
def test_moisture_of_a_missing_band_is_nodata(missing):
    layers = composite((classes(), missing), indices=("ndvi", "ndmi"))
    assert (layers["ndvi"] == 6000).all()
    assert (layers["ndmi"] == INDEX_NODATA).all()


def test_every_index_is_that_of_the_date_of_peak_ndvi():
    """Reference vector of science.md 2 at NDVI .5556, on a day between two of lower NDVI."""
    peak = bands(red=1000, nir=3500, swir16=2800)
    low = bands(red=2000, nir=3000, swir16=1000)
    layers = composite(*((classes(), day) for day in (low, peak, low)), indices=tuple(INDICES))
    found = {name: layers[name][1, 1] for name in INDICES}
    assert found == {"ndvi": 5556, "ndmi": 1111, "evi2": 3931, "savi": 3947, "msavi": 3783, "kndvi": 2992}
    assert (layers["peak_day"] == 214).all()


@pytest.mark.parametrize("index", INDICES)
def test_no_index_is_taken_of_reflectance_times_10000(index):
    """NDVI would hide the error; SAVI, EVI2 and MSAVI would give numbers."""
    shape = (10, 10)
    values = {"red": 1000, "nir": 3500, "swir16": 2800}
    scene = {name: (np.full(shape, value, "uint16"), 1.0, 0.0, 0.0) for name, value in values.items()}
    with pytest.raises(ValueError, match="100% of its clear land has impossible reflectance"):
        PeakComposite(shape, ("ndvi", index)).add(np.full(shape, LAND, "uint8"), scene)


def test_an_index_beyond_1_is_held_there():
    """EVI2 of .002 and .75 is 1.067, under glint; the cube, the sketches and the maps reach to 1."""
    layers = composite((classes(), bands(red=20, nir=7500)), indices=("ndvi", "evi2"))
    assert (layers["evi2"] == 10_000).all()


# Cloud buffer


def test_clouds_grow_by_a_square():
    around = np.full((5, 6), LAND, "uint8")
    around[1, 1] = CLOUD
    clear = (buffer_clouds(around, 1) & CLEAR).astype(bool)
    assert clear.astype(int).tolist() == [
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 1, 1, 1],
        [0, 0, 0, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1],
    ]
    assert (buffer_clouds(around, 2) & CLEAR).astype(int).sum() == 30 - 16
    assert (buffer_clouds(around, 0) == around).all()


@given(arrays("bool", (6, 7)), st.integers(1, 8))
def test_a_pixel_is_buffered_where_a_cloud_lies_in_the_square_around_it(cloudy, radius):
    around = np.where(cloudy, CLOUD, LAND).astype("uint8")
    clear = (buffer_clouds(around, radius) & CLEAR).astype(bool)
    for y, x in np.ndindex(cloudy.shape):
        square = cloudy[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        assert clear[y, x] == (not square.any())


@given(arrays("bool", (9, 8)), st.integers(0, 5), st.integers(0, 3))
def test_clouds_of_the_margin_grow_into_what_is_returned(cloudy, radius, margin):
    around = np.where(cloudy, CLOUD, LAND).astype("uint8")
    inner = buffer_clouds(around, radius)[margin : 9 - margin, margin : 8 - margin]
    assert (buffer_clouds(around, radius, margin) == inner).all()


def test_a_buffered_pixel_keeps_all_but_its_clearness():
    assert buffer_clouds(np.array([[CLOUD, LAKE]], "uint8"), 1).tolist() == [[CLOUD, WATER]]
