"""The coefficient library: what a row says and refuses, rows by path, and numbers replaced by one a draw."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.ecosystems import Coefficient, coefficients, find, used_by, with_values
from pipeline.vegetation import EndMembers

ENDS = EndMembers(0.1, 0.8)
NAMES = ["forest", "grassland", "wetland"]
INDEX = np.linspace(-0.2, 0.95, 24, dtype="float32")[:, None]
DRAWS = 5


def row(**changes):
    """A row of 2 +- 10 % between 1 and 3, changed."""
    content = {"value": 2, "unit": "t/t", "u95_percent": 10, "valid": (1, 3), "source": "here", "status": "local"}
    content |= {"cause": "root_shoot"} | changes
    return Coefficient(**{key: value for key, value in content.items() if value is not None})


@pytest.mark.parametrize(("ecosystem", "name"), [("forest", "stand_area"), ("grassland", "residual")])
def test_a_factor_of_the_interval_alone_is_1(ecosystems, ecosystem, name):
    """Another value would move the interval away from the figure, which does not take it."""
    content = ecosystems[ecosystem].model_dump()
    content[name]["value"] = 1.05
    with pytest.raises(ValidationError, match=f"{name} only widens the interval: keep its value at 1"):
        type(ecosystems[ecosystem]).model_validate(content)


@pytest.mark.parametrize(("ecosystem", "kinds"), [("forest", "species"), ("grassland", "strata")])
def test_a_kind_without_a_name_is_refused(ecosystems, ecosystem, kinds):
    """Sheets, workbook and findings call a kind by the first of its names."""
    content = ecosystems[ecosystem].model_dump()
    next(iter(content[kinds].values()))["names"] = []
    with pytest.raises(ValidationError, match="names"):
        type(ecosystems[ecosystem]).model_validate(content)


# What a row says


@pytest.mark.parametrize(
    ("changes", "usual"),
    [
        ({}, "normal"),
        ({"u95_percent": 30}, "normal"),  # science.md 5: above 30 % and positive, lognormal
        ({"u95_percent": 31}, "lognormal"),
        ({"u95_percent": 31, "valid": (-1, 3)}, "normal"),  # may be negative
        ({"u95_percent": 31, "value": 0.5, "valid": (0, 1)}, "truncated_normal"),  # a fraction
        ({"u95_percent": 60, "value": [1, 2], "valid": (0, 5)}, "lognormal"),  # a polynomial's factor
        ({"u95_percent": 31, "distribution": "triangular"}, "triangular"),
    ],
)
def test_the_distribution_follows_from_range_and_half_width_unless_it_is_given(changes, usual):
    assert row(**changes).distribution == usual


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"value": 3.1}, "outside its valid range 1 to 3"),
        ({"valid": None}, "valid"),
        ({"u95_percent": None}, "either u95_percent or u95_abs"),
        ({"u95_abs": 0.1}, "either u95_percent or u95_abs"),
        ({"u95_percent": 0}, "is above 0"),
        ({"distribution": "fixed"}, "none for a fixed number"),
        ({"distribution": "lognormal", "valid": (-1, 3)}, "lognormal number and its valid range must be positive"),
        ({"distribution": "beta", "u95_percent": 100}, "half-width of a beta number is too wide"),  # 1.02 of at most 1
        ({"distribution": "beta", "value": 1}, "half-width of a beta number is too wide"),
        ({"value": [1, 2], "u95_percent": None, "u95_abs": 1}, "half-width of a polynomial is relative"),
        ({"cause": "weather"}, "'index', 'end_members'"),
        ({"factor": 1.2}, "factor of a row in a file is 1"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        row(**changes)


def test_half_widths_are_absolute_around_the_value_or_the_factor():
    assert (row().central, row().half_width) == (2, pytest.approx(0.2))
    assert row(u95_percent=None, u95_abs=0.7).half_width == 0.7
    assert row(u95_percent=None, distribution="fixed").half_width == 0
    polynomial = row(value=[5, -7], valid=(0, 2))
    assert (polynomial.central, polynomial.half_width) == (1, pytest.approx(0.1))


def test_the_default_half_widths_of_the_science_are_shipped(ecosystems):
    """science.md 5: index .04, G1 60 %, fresh/dry 15 %, R 50 %, CF 7 and 5 %, stand volume 15 %; BCEF by the
    ranges of table 4.5 (4.2), which come to 40-55 %."""
    grass, forest = (coefficients(ecosystems[name]) for name in ("grassland", "forest"))
    assert (grass["index_bias"].value, grass["index_bias"].half_width) == (0, 0.04)
    assert grass["biomass_model.fresh_agb"].u95_percent == 60
    assert grass["biomass_model.fresh_to_dry"].u95_percent == 15
    assert grass["carbon_fraction"].u95_percent == 7
    assert {grass[path].u95_percent for path in find(ecosystems["grassland"], "root_shoot")} == {50}
    expansion = [row for path, row in forest.items() if path.startswith("bcef.")]
    assert [row.ranges[0] for row in expansion] == [(0.8, 4.5), (0.6, 2.4), (0.7, 4.0)]
    assert all(0.4 < row.half_width < 0.55 for row in expansion)
    assert {forest[path].u95_percent for path in find(ecosystems["forest"], "carbon_fraction")} == {5}
    assert (forest["stand_volume"].u95_percent, forest["stand_volume"].status) == (15, "unverified")
    assert 3 <= forest["stand_area"].u95_percent <= 5
    for ecosystem in ecosystems.values():
        assert coefficients(ecosystem)["residual_persistence"].value == 0.8


def test_rows_know_their_line_of_the_variance_account_without_saying_it(ecosystems):
    causes = {path: row.cause for path, row in coefficients(ecosystems["grassland"]).items()}
    assert causes["index_bias"] == "index"
    assert causes["biomass_model.fresh_agb"] == "biomass_model"
    assert causes["biomass_model.fresh_to_dry"] == "dry_matter"
    assert causes["strata.desert_steppe.soil_index"] == "end_members"
    assert causes["strata.desert_steppe.root_shoot"] == "root_shoot"
    forest = {path: row.cause for path, row in coefficients(ecosystems["forest"]).items()}
    assert (forest["bcef.pines"], forest["stand_volume"], forest["stand_area"]) == ("expansion", "stand_volume", "area")
    assert coefficients(ecosystems["wetland"])["strata.reed.agb_g_m2"].cause == "class_mean"


# Rows by path


def test_a_name_finds_the_rows_that_end_in_it(ecosystems):
    grassland = ecosystems["grassland"]
    assert find(grassland, "root_shoot") == [f"strata.{key}.root_shoot" for key in grassland.strata]
    assert find(grassland, "desert_steppe.root_shoot") == ["strata.desert_steppe.root_shoot"]
    assert find(grassland, "carbon_fraction") == ["carbon_fraction"]


def test_a_name_that_is_not_there_is_told_its_neighbours(ecosystems):
    with pytest.raises(KeyError, match="grassland has no coefficient 'rootshoot'; near it are root_shoot"):
        find(ecosystems["grassland"], "rootshoot")
    with pytest.raises(KeyError, match="has no coefficient 'shoot'"):
        find(ecosystems["grassland"], "shoot")  # part of a word is not a name
    with pytest.raises(KeyError, match=r"near it are .*root_shoot"):
        with_values(ecosystems["grassland"], {"root_shoot": 4.0})  # not a whole path
    with pytest.raises(KeyError, match="shrub has no coefficient 'carbon'; near it are carbon_"):
        with_values(ecosystems["forest"].shrub, {"carbon": 2.0})


@pytest.mark.parametrize("name", NAMES)
def test_replacing_each_row_by_its_own_number_changes_nothing(ecosystems, name):
    ecosystem = ecosystems[name]
    same = with_values(ecosystem, {path: row.central for path, row in coefficients(ecosystem).items()})
    for stratum in ecosystem.strata:
        for key, values in ecosystem.respond(INDEX, ENDS, stratum).items():
            replaced = same.respond(INDEX, ENDS, stratum)[key]
            np.testing.assert_array_equal(values, replaced)


@pytest.mark.parametrize("name", NAMES)
def test_draws_answer_like_one_world_after_another(ecosystems, name):
    """Every row and both end-members hold one number a draw: (24, 1) levels answer with (24, 5), each column being
    what its own numbers give."""
    ecosystem, random = ecosystems[name], np.random.default_rng(3)
    drawn = {
        path: row.central + row.half_width * random.uniform(-0.3, 0.3, DRAWS)
        for path, row in coefficients(ecosystem).items()
    }
    soil, vegetation = random.uniform(0.05, 0.15, DRAWS), random.uniform(0.6, 0.8, DRAWS)
    for stratum in ecosystem.strata:
        together = with_values(ecosystem, drawn).respond(INDEX, ENDS.drawn(soil, vegetation), stratum)
        for draw in range(DRAWS):
            alone = with_values(ecosystem, {path: float(values[draw]) for path, values in drawn.items()}).respond(
                INDEX.astype(float), ENDS.drawn(soil[draw], vegetation[draw]), stratum
            )
            for key, values in together.items():
                assert values.shape == (INDEX.size, DRAWS)
                np.testing.assert_allclose(values[:, [draw]], alone[key], rtol=1e-6)


@pytest.mark.parametrize("expansion", ["ipcc", "continuous"])
def test_draws_of_stands_answer_like_one_world_after_another(ecosystems, expansion):
    forest, random = ecosystems["forest"].model_copy(update={"expansion": expansion}), np.random.default_rng(4)
    drawn = {
        path: row.central + row.half_width * random.uniform(-0.3, 0.3, DRAWS)
        for path, row in coefficients(forest).items()
    }
    volume, species = np.array([[15.0], [39.0], [120.0], [300.0]]), ["birch", "larch", "birch", "chinese_pine"]
    for method in ("stand_stock", "stand_gain_loss"):
        together = getattr(with_values(forest, drawn), method)(volume * 1.1, volume, species)
        for draw in range(DRAWS):
            one = with_values(forest, {path: float(values[draw]) for path, values in drawn.items()})
            for many, alone in zip(together, getattr(one, method)(volume * 1.1, volume, species), strict=True):
                assert many.shape == (4, DRAWS)
                np.testing.assert_allclose(many[:, [draw]], alone, rtol=1e-12)


def test_a_factor_scales_a_whole_polynomial_and_a_whole_table(ecosystems):
    grassland, ends = ecosystems["grassland"], ENDS
    doubled = with_values(grassland, {"biomass_model.fresh_agb": 2.0})
    for stratum in grassland.strata:
        then, now = (each.respond(INDEX, ends, stratum)["agb"] for each in (grassland, doubled))
        np.testing.assert_allclose(now, 2 * then, rtol=1e-6)
    table = with_values(ecosystems["forest"], {"bcef.pines": np.array([0.5, 2.0])}).bcef["pines"]
    assert table.at(np.array([[20.0], [60.0]])).tolist() == [[0.9, 3.6], [0.375, 1.5]]


def test_the_rows_of_a_zones_number_are_named(ecosystems):
    assert used_by(ecosystems["grassland"], "desert_steppe") == [
        "biomass_model.fresh_agb", "biomass_model.fresh_to_dry", "carbon_fraction", "strata.desert_steppe.root_shoot",
    ]  # fmt: skip
    wetland = [f"strata.reed.{name}" for name in ("agb_g_m2", "soil_index", "vegetation_index")]
    assert used_by(ecosystems["wetland"], "reed") == ["carbon_fraction", *wetland]
    assert used_by(ecosystems["wetland"], "reed", shipped_end_members=False) == ["carbon_fraction", wetland[0]]
    forest = ecosystems["forest"]
    assert used_by(forest, "larch_middle", ["birch", "larch", "birch"]) == [
        "bcef.hardwoods", "bcef.other_conifers", "root_shoot.broadleaf", "root_shoot.conifers",
        "species.birch.carbon_fraction", "species.larch.carbon_fraction",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_stock_moves_with_the_rows_it_rests_on_and_with_no_other(ecosystems, name):
    """Rows of the interval alone (residual, its persistence) and of other strata leave the stock as it is; the index
    bias and the rows named by `used_by` move it."""
    ecosystem, index = ecosystems[name], np.array([0.40])

    def stock(ecosystem, stratum):
        own = ecosystem.strata[stratum]
        ends = ENDS.drawn(own.soil_index.value, own.vegetation_index.value)
        return ecosystem.respond(index, ends, stratum)["carbon_stock"].item()

    for stratum in ecosystem.strata:
        moving = {
            path
            for path, row in coefficients(ecosystem).items()
            if stock(with_values(ecosystem, {path: row.central + 0.1 * row.half_width}), stratum)
            != pytest.approx(stock(ecosystem, stratum), rel=1e-9)
        }
        assert moving == {*used_by(ecosystem, stratum), "index_bias"}
