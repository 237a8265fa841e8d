"""Rasters hold scaled integers: what is written can be read back, and nodata is never a value."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.encoding import encode
from pipeline.variables import VARIABLES

variables = st.sampled_from(list(VARIABLES.values()))


def decoded(variable, stored):
    return np.where(stored == variable.nodata, np.nan, stored.astype(float) * variable.scale)


@given(variables, st.data())
def test_a_value_comes_back_within_half_a_step(variable, data):
    values = data.draw(st.lists(st.floats(*variable.valid, width=32), min_size=1))
    back = decoded(variable, encode(variable, np.array(values, "float32")))
    rounding = 1e-6 * max(map(abs, variable.valid))  # of float32
    assert np.abs(back - values).max() <= variable.scale / 2 + rounding


@given(variables, st.integers(-70_000, 70_000))
def test_a_stored_value_is_the_value_or_refused_but_never_nodata(variable, step):
    limits = np.iinfo(variable.dtype)
    value = np.array([step * variable.scale])
    if limits.min <= step <= limits.max and step != variable.nodata:
        assert encode(variable, value) == [step]
    else:
        with pytest.raises(ValueError, match=variable.name):
            encode(variable, value)


@pytest.mark.parametrize("name", VARIABLES)
def test_unknown_is_nodata_beside_known_values(name):
    variable = VARIABLES[name]
    stored = encode(variable, np.array([[np.nan, variable.valid[1]], [variable.valid[0], np.nan]], "float32"))
    assert stored.dtype == variable.dtype
    assert (stored == variable.nodata).tolist() == [[True, False], [False, True]]


def test_a_raster_of_nothing_known_is_all_nodata():
    assert (encode(VARIABLES["sink"], np.full((2, 2), np.nan)) == -32768).all()
    assert encode(VARIABLES["sink"], np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("agb", 327.68, "agb in t DM/ha exceeds what int16 x 0.01 can hold"),
        ("sink", np.inf, "sink in t CO2/ha/yr exceeds"),
        ("clear_count", -1, "clear_count in 1 exceeds"),
        ("sink", -163.84, "a value of sink equals its nodata -32768"),
        ("clear_count", 65535, "a value of clear_count equals its nodata 65535"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(name, value, says):
    with pytest.raises(ValueError, match=says):
        encode(VARIABLES[name], np.array([0.0, value]))


def test_a_loss_of_one_tonne_is_a_value():
    """InVEST once took -1 in a change raster for nodata."""
    assert encode(VARIABLES["sink"], np.array([-1.0])) == [-200]


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_says_what_it_is(name):
    variable = VARIABLES[name]
    assert variable.name == name
    assert variable.unit
    assert variable.long_name.isascii()
    assert not variable.long_name_zh.isascii()
