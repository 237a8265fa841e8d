"""Vegetation indices against the reference vector of science.md 2 and against spyndex, a library of their own."""

import numpy as np
import pytest
import spyndex
from hypothesis import given
from hypothesis import strategies as st

from pipeline.compositing.indices import INDICES, bands_of, evi2, kndvi, msavi, normalised_difference, savi

REFERENCE = {"red": 0.10, "nir": 0.35, "swir16": 0.28}


def of(name, **bands):
    index = INDICES[name]
    return index.of(*(np.asarray(bands[band], float) for band in index.bands))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ndvi", 0.5555555556),
        ("evi2", 0.3930817610),
        ("savi", 0.3947368421),
        ("msavi", 0.3783009434),
        ("ndmi", 0.1111111111),
        ("kndvi", 0.2992011476),
    ],
)
def test_reference_vector(name, value):
    assert of(name, **REFERENCE) == pytest.approx(value, abs=5e-11)


SPYNDEX = {"ndvi": "NDVI", "ndmi": "NDMI", "evi2": "EVI2", "savi": "SAVI", "msavi": "MSAVI", "kndvi": "kNDVI"}


def by_spyndex(name, red, nir, swir16):
    """L of SAVI has to be said: its default is that of EVI2, 1.0. kNDVI takes kernels, here of sigma = (N + R) / 2."""
    bands = {"R": red, "N": nir, "S1": swir16, "g": 2.5, "L": 0.5 if name == "savi" else 1.0}
    if name == "kndvi":
        bands |= {"kNN": np.ones_like(red), "kNR": np.exp(-((nir - red) ** 2) / (2 * ((nir + red) / 2) ** 2))}
    return spyndex.computeIndex(SPYNDEX[name], bands)


@pytest.mark.parametrize("name", INDICES)
def test_formulas_are_those_of_spyndex(name):
    red, nir, swir16 = np.random.default_rng(1).uniform(0.01, 0.8, (3, 1000))
    assert of(name, red=red, nir=nir, swir16=swir16) == pytest.approx(by_spyndex(name, red, nir, swir16), abs=1e-12)


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.004, -0.004), (-0.3, 0.2), (np.nan, 0.3), (0.3, np.nan)])
def test_an_index_without_a_sum_is_unknown(name, low, high):
    first, second = INDICES[name].bands
    assert np.isnan(of(name, **{first: low, second: high}))


def test_an_index_without_a_denominator_or_root_is_unknown():
    assert np.isnan(of("evi2", red=-1.0, nir=1.4 * (1 + 1e-9)))  # N + 2.4 R + 1 = 1.4e-9
    assert np.isnan(of("msavi", red=-0.004, nir=0.5))  # (2 N + 1)^2 - 8 (N - R) = -.032


@given(st.floats(0.01, 0.9), st.floats(0.001, 0.5))
def test_all_but_kndvi_are_0_on_even_ground_and_grow_with_vegetation(red, more):
    for name in ("ndvi", "evi2", "savi", "msavi"):
        assert of(name, red=red, nir=red) == pytest.approx(0, abs=1e-12)
        assert of(name, red=red, nir=red + more) > 0 > of(name, red=red + more, nir=red)


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_kndvi_is_tanh_of_ndvi_squared_and_blind_to_brightness(red, nir):
    assert kndvi(red, nir) == pytest.approx(np.tanh(normalised_difference(red, nir) ** 2), abs=1e-15)
    assert kndvi(red / 3, nir / 3) == pytest.approx(kndvi(red, nir), abs=1e-12)


@pytest.mark.parametrize("formula", [evi2, savi, msavi])
def test_soil_adjusted_indices_see_the_scale_of_reflectance(formula):
    """Why impossible reflectance has to be refused: times 10 000 they give another number, and no sign of it."""
    assert abs(formula(1000.0, 3500.0) - formula(0.10, 0.35)) > 0.1
    assert normalised_difference(1000.0, 3500.0) == pytest.approx(normalised_difference(0.10, 0.35))


def test_bands_of_indices():
    assert bands_of(("ndvi", "msavi")) == ("red", "nir")
    assert bands_of(("ndvi", "ndmi", "savi")) == ("red", "nir", "swir16")
