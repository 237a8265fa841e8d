"""Biomass and carbon of the shipped methods: reference cases of science.md, and coefficients that say where from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.ecosystems import BinnedCoefficient, coefficients, used_by, with_values
from pipeline.ecosystems.names import name_zh, names_zh
from pipeline.ecosystems.rows import Z95
from pipeline.stock.sketch import INDEX, LEVELS, Sketch
from pipeline.uncertainty.monte_carlo import drawn
from pipeline.vegetation import EndMembers
from pipeline.zones.zone_stands import ZoneStands

ENDS = EndMembers(0.10, 0.80)


def at_cover(cover):
    """The index at which ENDS give a cover."""
    return np.array(ENDS.soil + cover * (ENDS.vegetation - ENDS.soil))


# Grassland


@pytest.mark.parametrize(
    ("index", "g_m2"),
    # science.md 4.1, G1: cubic model of fresh crop (Xilingol), dry = fresh / 3.107
    [(0.10, 10.9), (0.15, 24.4), (0.20, 34.8), (0.25, 43.0), (0.30, 49.6), (0.35, 55.5), (0.40, 61.7), (0.50, 77.9),
     (0.60, 104.7)],
)  # fmt: skip
def test_dry_grass_by_the_cubic_model(ecosystems, index, g_m2):
    t_ha = ecosystems["grassland"].respond(np.array(index), ENDS, "typical_steppe")["agb"]
    assert t_ha * 100 == pytest.approx(g_m2, abs=0.05)


@pytest.mark.parametrize(("stratum", "low", "high"), [("typical_steppe", 0.10, 0.60), ("desert_steppe", 0.07, 0.45)])
def test_grass_beyond_the_calibrated_range_is_held_at_its_ends(ecosystems, stratum, low, high):
    agb = ecosystems["grassland"].respond(np.array([0.0677, low, high, high + 0.01, 0.95]), ENDS, stratum)["agb"]
    assert agb[0] == agb[1] > 0
    assert agb[2] == agb[3] == agb[4] > agb[1]


def test_bare_ground_has_no_grass(ecosystems):
    """The cubic of fresh crop has its one real root at NDVI .06757."""
    grassland = ecosystems["grassland"]
    assert grassland.biomass_model.grows(np.array([0.067565, 0.067575])).tolist() == [False, True]
    for stratum in grassland.strata:
        found = grassland.respond(np.array([-0.3, 0.0, 0.05, 0.0675]), ENDS, stratum)
        assert (found["agb"] == 0).all()
        assert (found["carbon_stock"] == 0).all()


@pytest.mark.parametrize(("name", "stratum"), [("grassland", "typical_steppe"), ("wetland", "reed")])
def test_the_bias_of_an_index_is_added_to_it(ecosystems, name, stratum):
    biased = with_values(ecosystems[name], {"index_bias": 0.03}).respond(np.array([0.35]), ENDS, stratum)
    assert biased == ecosystems[name].respond(np.array([0.38]), ENDS, stratum)


@pytest.mark.parametrize(
    ("stratum", "t_c_ha"),
    [("desert_steppe", 2.0763), ("typical_steppe", 0.60 * 5.79 * 0.45)],  # R 6.69 and 4.79 (Hu 2020), CF .45
)
def test_roots_hold_most_of_the_carbon_of_60_g_of_grass(ecosystems, stratum, t_c_ha):
    assert ecosystems["grassland"].carbon(np.array(0.60), stratum) == pytest.approx(t_c_ha, abs=5e-5)


def test_carbon_by_the_ratio_and_fraction_of_ipcc_is_half_of_it(ecosystems):
    """60 g/m2 with R 2.8 and CF .47: 1.0716 t C/ha."""
    ipcc = with_values(ecosystems["grassland"], {"strata.desert_steppe.root_shoot": 2.8, "carbon_fraction": 0.47})
    assert ipcc.carbon(np.array(0.60), "desert_steppe") == pytest.approx(1.0716, abs=5e-5)


LOCAL = {"unit": "g DM/m2", "u95_percent": 20, "valid": (0, 3), "source": "plots", "status": "local"}


@pytest.mark.parametrize(
    ("form", "a", "b", "residual", "index", "g_m2"),
    [
        ("exponential", 2.5, 4.0, 0.0, 0.30, np.exp(3.7)),  # 40.4473
        ("exponential", 2.5, 4.0, 0.4, 0.30, np.exp(3.7) * 1.0832871),  # smearing exp(.4^2 / 2)
        ("power", 200.0, 1.5, 0.0, 0.25, 25.0),
        ("power", 200.0, 1.5, 0.4, 0.25, 25.0 * 1.0832871),
        ("power", 200.0, 1.5, 0.0, 0.05, 200 * 0.1**1.5),  # held at the lower end of the range, .10
        ("power", 200.0, 1.5, 0.0, 0.90, 200 * 0.6**1.5),
    ],
)
def test_dry_grass_by_power_and_exponential(ecosystems, form, a, b, residual, index, g_m2):
    model = {"form": form, "dry_agb": {"value": (a, b), **LOCAL}, "log_residual": residual}
    grassland = changed(ecosystems["grassland"], "biomass_model", model)
    assert grassland.agb(np.array([index]), None, "typical_steppe") * 100 == pytest.approx(g_m2, rel=1e-6)
    assert form in grassland.method
    assert used_by(grassland, "typical_steppe")[0] == "biomass_model.dry_agb"
    doubled = with_values(grassland, {"biomass_model.dry_agb": 2.0})
    assert doubled.agb(np.array([index]), None, "typical_steppe") * 100 == pytest.approx(2 * g_m2, rel=1e-6)
    assert grassland.agb(np.array([-0.1]), None, "typical_steppe") == 0


def test_the_part_of_a_zone_beyond_the_calibrated_range_is_counted(ecosystems):
    """Of 10 pixels 2 lie below .10 and 1 above .60; one more is open water."""
    land, water = np.zeros(LEVELS.size), np.zeros(LEVELS.size)
    land[np.searchsorted(LEVELS, [500, 999, 1000, 3000, 6000, 6001])] = [1, 1, 2, 3, 1, 1]
    water[np.searchsorted(LEVELS, 0)] = 1
    sketch = Sketch(land, water, np.ones(2), 10.0)
    assert sketch.mean(ecosystems["grassland"].clamped(INDEX, "typical_steppe")) == pytest.approx(0.3)
    assert sketch.mean(ecosystems["grassland"].clamped(INDEX, "desert_steppe")) == pytest.approx(0.3)
    biased = with_values(ecosystems["grassland"], {"index_bias": 0.06})  # .05 is .11 then, .60 and .6001 lie above
    assert sketch.mean(biased.clamped(INDEX, "typical_steppe")) == pytest.approx(0.2)
    for name in ("forest", "wetland"):
        assert not ecosystems[name].clamped(INDEX, ecosystems[name].default_stratum).any()


# Wetland


@pytest.mark.parametrize(("cover", "t_ha", "t_c_ha"), [(1.0, 5.30, 2.385), (0.5, 2.65, 1.1925), (0.0, 0.0, 0.0)])
def test_reed_is_530_g_where_it_covers_the_ground(ecosystems, cover, t_ha, t_c_ha):
    """Momoge 2020: 530 g/m2 dry; above ground only, CF .45."""
    found = ecosystems["wetland"].respond(at_cover(cover), ENDS, "reed")
    assert found["agb"] == pytest.approx(t_ha, abs=1e-12)
    assert found["carbon_stock"] == pytest.approx(t_c_ha, abs=1e-12)
    assert "CH4 excluded" in ecosystems["wetland"].method


METHANE = {"unit": "kg CH4/ha/yr", "u95_percent": 80, "valid": (0, 1000), "source": "own chambers", "status": "local"}


def test_methane_is_off_until_its_numbers_are_given_and_then_a_line_of_its_own(ecosystems):
    """100 ha x 235 kg/ha x GWP 28 = 658 t CO2e a year; the stock stays as it was."""
    wetland = ecosystems["wetland"]
    assert wetland.methane is None
    assert wetland.methane_t_co2e(100.0) is None
    warming = {**METHANE, "value": 28, "unit": "t CO2/t CH4"}
    on = changed(wetland, "methane", {"flux": {**METHANE, "value": 235}, "warming": warming})
    assert on.methane_t_co2e(100.0) == pytest.approx(658.0)
    assert on.carbon(np.array(5.3), "reed") == wetland.carbon(np.array(5.3), "reed")
    assert "CO2" in on.method
    assert "CH4" in on.method
    assert "excluded" not in on.method
    assert used_by(on, "reed") == used_by(wetland, "reed")


# Forest without stand volume


@pytest.mark.parametrize(("cover", "share"), [(0.0, 0.0), (0.35, 0.5), (0.7, 1.0), (0.71, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize(
    ("stratum", "t_c_ha"), [("larch_young", 9.21), ("larch_middle", 13.65), ("larch_mature", 15.03)]
)
def test_a_canopy_is_full_from_a_cover_of_70_percent(ecosystems, cover, share, stratum, t_c_ha):
    """Daqingshan larch plantations at 17, 30 and 46 years (DQS24)."""
    found = ecosystems["forest"].respond(at_cover(cover), ENDS, stratum)
    assert found["carbon_stock"] == pytest.approx(share * t_c_ha, abs=1e-9)
    assert found["agb"] * 1.40 * 0.5158 == pytest.approx(share * t_c_ha, abs=1e-9)
    assert "proxy" in ecosystems["forest"].method


# Forest with stand volume


def stand(forest, species, volume, held=None):
    """(AGB, carbon) of one stand, its bins at ``held`` m3/ha or free."""
    volumes = np.array([float(volume)]), np.array([float(volume if held is None else held)])
    return tuple(part.item() for part in forest.stand_stock(*volumes, [forest.species_key(species)]))


@pytest.mark.parametrize(
    ("species", "volume", "agb", "carbon"),
    [
        ("云杉", 60, 60.0, 39.474),  # other conifers as in science.md 4.2: 60 x 1.0 x 1.29 x .51
        ("华北落叶松", 60, 60.0, 60 * 1.29 * 0.5158),  # the same with the measured CF
        ("樟子松", 60, 45.0, 32.13),  # pines as in science.md 4.2: 60 x .75 x 1.40 x .51
        ("油松", 60, 45.0, 45 * 1.40 * 0.5105),
        ("白桦", 60, 84.0, 84 * 1.23 * 0.5125),
        ("榆树", 10, 30.0, 30 * 1.46 * 0.48),
        ("榆树", 250, 200.0, 200 * 1.24 * 0.48),
        ("油松", 0, 0.0, 0.0),
    ],
)
def test_stock_of_a_stand_by_ipcc_equation_2_8(ecosystems, species, volume, agb, carbon):
    assert stand(ecosystems["forest"], species, volume) == pytest.approx((agb, carbon), abs=5e-5)


def test_free_bins_lose_biomass_where_a_stand_grows_and_held_bins_do_not(ecosystems):
    """Hardwoods of 40 m3/ha hold 40 x 1.7 = 68 t/ha, of 41 m3/ha 41 x 1.4 = 57.4 t/ha (science.md 4.2)."""
    forest = ecosystems["forest"]
    assert stand(forest, "白桦", 40)[0] == pytest.approx(68.0)
    assert stand(forest, "白桦", 41)[0] == pytest.approx(57.4)
    assert stand(forest, "白桦", 41, held=40)[0] == pytest.approx(41 * 1.7)
    # and the roots of larch step down from R .40 to .29 at 50 t/ha
    assert stand(forest, "落叶松", 51)[1] == pytest.approx(51 * 1.29 * 0.5158)
    assert stand(forest, "落叶松", 51, held=50)[1] == pytest.approx(51 * 1.40 * 0.5158)


@given(st.sampled_from(["larch", "chinese_pine", "birch"]), *[st.floats(0, 400)] * 3)
def test_a_stand_never_loses_carbon_by_growing_within_its_bin(ecosystems, species, held, one, other):
    low, high = sorted([one, other])
    assert stand(ecosystems["forest"], species, low, held) <= stand(ecosystems["forest"], species, high, held)


@given(st.lists(st.tuples(st.sampled_from(["larch", "elm", "scots_pine"]), *[st.floats(0, 400)] * 2), min_size=1))
def test_stands_together_are_the_stands_one_by_one(ecosystems, stands):
    forest = ecosystems["forest"]
    species, volumes, held = zip(*stands, strict=True)
    together = np.transpose(forest.stand_stock(np.array(volumes), np.array(held), list(species)))
    assert together.tolist() == [list(stand(forest, *each)) for each in stands]


@given(
    st.sampled_from(["larch", "chinese_pine", "birch", "poplar", "elm", "oak"]),
    st.lists(st.floats(0, 400), min_size=2, max_size=6).map(sorted),
)
def test_a_growing_stand_never_loses_carbon_between_inventories(ecosystems, species, volumes):
    """Through `ZoneStands`, which holds the bin of the largest inventory at every date."""
    years = [2000 + 5 * step for step in range(len(volumes))]
    stands = one_stand(species, dict(zip(years, volumes, strict=True)))
    stocks = [stands.stock(ecosystems["forest"], date)[1].item() for date in np.arange(years[0], years[-1] + 1)]
    assert (np.diff(stocks) >= -1e-9 * max(stocks)).all()


def one_stand(species, volumes, area_ha=1.0):
    columns = {year: np.array([float(volume)]) for year, volume in volumes.items()}
    return ZoneStands(np.array([None]), [species], np.array([area_ha]), columns)


@pytest.mark.parametrize(
    ("species", "agb", "carbon"),
    # science.md 4.2, V = 60 m3/ha: larch 26.3, P. tabuliformis 22.4 t C/ha
    [
        ("落叶松", 60 * 0.490 * 1.416, 26.3),
        ("油松", 60 * 0.360 * 1.589, 22.4),
        ("白桦", 60 * 0.541 * 1.424, 60 * 0.541 * 1.424 * 1.248 * 0.491),
        ("杨树", 60 * 0.378 * 1.446, 60 * 0.378 * 1.446 * 1.227 * 0.496),
    ],
)
def test_stock_of_a_stand_by_the_chinese_parameters(ecosystems, species, agb, carbon):
    found = stand(continuous(ecosystems), species, 60)
    assert found == (pytest.approx(agb), pytest.approx(carbon, abs=0.05))


def continuous(ecosystems):
    return ecosystems["forest"].model_copy(update={"expansion": "continuous"})


def test_the_continuous_expansion_has_no_bins(ecosystems):
    forest = continuous(ecosystems)
    volumes = np.linspace(0, 300, 61)
    carbon = forest.stand_stock(volumes, volumes, ["larch"] * 61)[1]
    np.testing.assert_allclose(carbon, volumes * carbon[-1] / 300, rtol=1e-12)
    assert forest.stand_method == "stand volume x D x BEF x (1+R) x CF"
    assert all(path.startswith("species.larch.continuous.") for path in used_by(forest, "larch_middle", ["larch"]))
    with pytest.raises(ValueError, match="oak has no `continuous` parameters"):
        stand(forest, "oak", 60)


def test_chinese_parameters_ship_unverified_and_only_where_they_are_known(ecosystems):
    rows = {path: row for path, row in coefficients(ecosystems["forest"]).items() if ".continuous." in path}
    assert {path.split(".")[1] for path in rows} == {"larch", "chinese_pine", "birch", "poplar"}
    assert {row.status for row in rows.values()} == {"unverified"}


@pytest.mark.parametrize(
    ("species", "then", "now", "gain", "loss"),
    [
        # larch 50 -> 60 m3/ha in 5 years: 2 m3/ha/yr x BCEF_I .57 x (1 + .40) x .5158, R at 50 x 1.0 t/ha
        ("larch", 50, 60, 2 * 0.57 * 1.40 * 0.5158, 0),
        # birch 110 -> 100: 2 m3/ha/yr x BCEF_S 1.05 x (1 + .23) x .5125, R at 110 x 1.05 t/ha
        ("birch", 110, 100, 0, 2 * 1.05 * 1.23 * 0.5125),
        ("birch", 70, 70, 0, 0),
    ],
)
def test_gain_and_loss_by_volume_increment(ecosystems, species, then, now, gain, loss):
    stands = one_stand(species, {2020: then, 2025: now}, area_ha=10.0)
    assert stands.gain_loss(ecosystems["forest"]) == pytest.approx((10 * gain, 10 * loss))


def test_an_increment_needs_two_inventories(ecosystems):
    with pytest.raises(ValueError, match="two inventories"):
        one_stand("larch", {2020: 50}).gain_loss(ecosystems["forest"])


# Coefficients


@pytest.mark.parametrize(
    ("table", "row", "at", "values"),
    [
        # science.md 4.2, IPCC 2006 V4 tables 4.5 and 4.4: each bin at its upper edge and just above
        ("bcef", "hardwoods", [20, 20.1, 40, 41, 100, 101, 200, 201], [3, 1.7, 1.7, 1.4, 1.4, 1.05, 1.05, 0.8]),
        ("bcef", "pines", [20, 20.1, 40, 41, 100, 101, 200, 201], [1.8, 1, 1, 0.75, 0.75, 0.7, 0.7, 0.7]),
        ("bcef", "other_conifers", [20, 20.1, 40, 41, 100, 101, 200, 201], [3, 1.4, 1.4, 1, 1, 0.75, 0.75, 0.7]),
        ("bcef_increment", "hardwoods", [20, 21, 41, 101, 201], [1.5, 1.3, 0.9, 0.6, 0.48]),
        ("bcef_increment", "pines", [20, 21, 41, 101, 201], [1.5, 0.75, 0.6, 0.67, 0.69]),
        ("bcef_increment", "other_conifers", [20, 21, 41, 101, 201], [1.0, 0.83, 0.57, 0.53, 0.6]),
        ("root_shoot", "conifers", [50, 51, 150, 151], [0.40, 0.29, 0.29, 0.20]),
        ("root_shoot", "broadleaf", [75, 76, 150, 151], [0.46, 0.23, 0.23, 0.24]),
    ],
)
def test_ipcc_tables_are_shipped_as_printed(ecosystems, table, row, at, values):
    assert getattr(ecosystems["forest"], table)[row].at(np.array(at)).tolist() == values


ROW = {"unit": "1", "u95_percent": 10, "valid": (0, 1), "source": "-", "status": "local", "cause": "expansion"}


def binned(values, edges):
    return BinnedCoefficient(values=values, edges=edges, of="x", **(ROW | {"valid": (-9, 9)}))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=6, unique=True).map(sorted), st.floats(-150, 150))
def test_bins_hold_up_to_and_with_their_upper_edge_and_leave_no_gap(edges, x):
    table = binned(tuple(range(len(edges) + 1)), edges)
    limits = [-np.inf, *edges, np.inf]
    assert limits[int(table.at(x))] < x <= limits[int(table.at(x)) + 1]
    assert table.at(np.array(edges)).tolist() == list(range(len(edges)))
    assert table.at(np.nextafter(edges, np.inf)).tolist() == list(range(1, len(edges) + 1))


@pytest.mark.parametrize(
    ("values", "edges", "says"),
    [((1, 2), (10, 20), "2 edges make 3 bins, not 2"), ((1, 2, 3), (20, 20), "must ascend")],
)
def test_bins_with_a_gap_are_refused(values, edges, says):
    with pytest.raises(ValidationError, match=says):
        binned(values, edges)


def ranged(**changes):
    table = {"values": (3, 1), "edges": (20,), "ranges": ((0.75, 4.5), (0.5, 2)), "of": "x", "valid": (0, 9)}
    return BinnedCoefficient(**(ROW | {"u95_percent": None} | table | changes))


def test_every_value_of_a_table_with_ranges_is_off_to_the_same_side_by_its_own_range():
    """95 % of the draws lie in 0.75-4.5 around 3 and in 0.5-2 around 1, whose logarithms are 0.5-2 times e to ln."""
    factors = drawn(ranged(), np.array([-Z95, 0, Z95, -Z95 / 2]))
    np.testing.assert_allclose(factors, [[0.25, 1, 1.5, 0.5], [0.5, 1, 2, 0.5**0.5]])
    table = ranged().with_value(factors)
    answer = table.at(np.array([[20.0], [21.0], [5.0]]))  # first, second, first step
    np.testing.assert_allclose(answer, [[0.75, 3, 4.5, 1.5], [0.5, 1, 2, 0.5**0.5], [0.75, 3, 4.5, 1.5]])
    assert ranged().at(np.array([[5.0]])).tolist() == [[3]]
    assert ranged().half_width == pytest.approx((3.75 / 2 / 3 + 1.5 / 2) / 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ranges": ((0.75, 4.5),)}, "give each value a range"),
        ({"ranges": ((0.75, 4.5), (1, 2))}, "one below and one above it"),
        ({"ranges": ((0, 4.5), (0.5, 2))}, "positive"),
        ({"u95_percent": 50}, "either u95_percent or u95_abs"),
        ({"ranges": None, "u95_abs": 1}, "relative: give u95_percent, or ranges"),
        ({"ranges": None, "u95_percent": 50, "distribution": "split_lognormal"}, "either u95_percent or u95_abs"),
        ({"ranges": None, "u95_percent": 50, "distribution": "truncated_normal"}, "valid range does not limit"),
        ({"ranges": None, "u95_percent": 50, "distribution": "beta"}, "valid range does not limit"),
        ({"distribution": "fixed"}, "ranges need split_lognormal"),
    ],
)
def test_a_table_whose_ranges_contradict_it_is_refused(changes, says):
    with pytest.raises(ValidationError, match=says):
        ranged(**changes)


def test_expansion_errs_in_each_stand_by_the_range_of_its_own_bin(ecosystems):
    """A young birch stand of 10 m3/ha may hold 0.8/3.0 of its biomass, one of 60 only 0.7/1.4; roots stay."""
    forest = ecosystems["forest"]
    low = drawn(forest.bcef["hardwoods"], np.array([-Z95, 0.0]))
    volume = np.array([[10.0], [60.0]])
    agb, carbon = with_values(forest, {"bcef.hardwoods": low}).stand_stock(volume, volume, ["birch", "birch"])
    np.testing.assert_allclose(agb, [[8, 30], [42, 84]])
    np.testing.assert_allclose(carbon[:, 0] / carbon[:, 1], [0.8 / 3, 0.5])


def all_rows(ecosystems):
    return {f"{name}.{path}": row for name, method in ecosystems.items() for path, row in coefficients(method).items()}


def test_every_coefficient_says_unit_source_status_and_half_width(ecosystems):
    found = all_rows(ecosystems)
    assert len(found) > 60
    for path, each in found.items():
        assert each.unit.strip(), path
        assert len(each.source.strip()) > 5, path
        assert (each.half_width > 0) == (each.distribution != "fixed"), path
        assert each.valid[0] < each.valid[1], path


def test_what_was_only_recollected_is_marked_unverified(ecosystems):
    """science.md: IPCC table 4.3 (conifer .51, broadleaf .48) is [M]; so is what experts set."""
    found = all_rows(ecosystems)
    recollected = {
        path: each for path, each in found.items() if "table 4.3" in each.source or each.source[:6] == "expert"
    }
    assert {each.status for each in recollected.values()} == {"unverified"}
    fractions = {path: each.value for path, each in recollected.items() if path.endswith("carbon_fraction")}
    assert set(fractions.values()) == {0.51, 0.48}
    assert {each.value for path, each in found.items() if ".species." in path and each.status == "verified"} == {
        *(0.5158, 0.5105, 0.5125, 0.4880),  # measured in North China (Ma-CF)
    }


def test_shipped_end_members_pass_the_guards(ecosystems):
    assert list(ecosystems) == ["forest", "grassland", "wetland"]
    for method in ecosystems.values():
        for stratum in method.strata.values():
            EndMembers(stratum.soil_index.value, stratum.vegetation_index.value)


@pytest.mark.parametrize("name", ["forest", "grassland", "wetland"])
@given(one=st.floats(-1, 1), other=st.floats(-1, 1))
def test_more_green_is_never_less_carbon_and_carbon_never_negative(ecosystems, name, one, other):
    for stratum in ecosystems[name].strata:
        found = ecosystems[name].respond(np.sort([one, other]), ENDS, stratum)
        for variable in ("fvc", "agb", "carbon_stock"):
            low, high = found[variable]
            assert 0 <= low <= high


@pytest.mark.parametrize("name", ["forest", "grassland", "wetland"])
def test_an_unknown_index_gives_nothing_known(ecosystems, name):
    found = ecosystems[name].respond(np.array([np.nan]), ENDS, ecosystems[name].default_stratum)
    assert np.isnan(list(found.values())).all()


# Names


def test_strata_and_species_are_found_by_key_and_by_name(ecosystems):
    grassland, forest = ecosystems["grassland"], ecosystems["forest"]
    assert grassland.stratum_key("荒漠草原") == grassland.stratum_key("desert_steppe") == "desert_steppe"
    assert grassland.stratum_key(None) == grassland.stratum_key("") == "typical_steppe"
    assert forest.species_key("兴安落叶松") == forest.species_key("larch") == "larch"


@pytest.mark.parametrize(
    ("ecosystem", "name", "key"),
    [
        ("grassland", "温性草原类", "typical_steppe"),
        ("grassland", "温性荒漠草原类", "desert_steppe"),
        ("grassland", "温性草甸草原类", "meadow_steppe"),
        ("wetland", "草本沼泽", "reed"),
        ("wetland", "沼泽地", "reed"),
    ],
)
def test_types_of_the_national_surveys_are_known(ecosystems, ecosystem, name, key):
    """Classes as the surveys of grassland and of land use print them."""
    assert ecosystems[ecosystem].stratum_key(name) == key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("落叶松幼龄林", "larch_young"),
        ("华北落叶松 2", "larch_middle"),
        ("落叶松人工林近熟林", "larch_mature"),
        ("落叶松人工林近成过熟林", "larch_mature"),
        ("兴安落叶松人工林成熟林", "larch_mature"),
        ("落叶松5", "larch_mature"),
    ],
)
def test_a_forest_type_is_found_by_species_and_age_group_or_its_code(ecosystems, name, key):
    assert ecosystems["forest"].stratum_key(name) == key


@pytest.mark.parametrize("name", ["落叶松", "落叶松6", "油松中龄林", "中龄林", "x"])
def test_a_forest_type_without_numbers_is_unknown(ecosystems, name):
    with pytest.raises(KeyError):
        ecosystems["forest"].stratum_key(name)


@pytest.mark.parametrize("group", ["幼龄林", "中龄林", "近熟林", "成熟林", "过熟林", *"12345"])
def test_every_age_group_of_the_inventory_leads_to_larch_numbers(ecosystems, group):
    assert ecosystems["forest"].canopy_key("落叶松", group).startswith("larch_")


def test_unknown_strata_and_species_are_key_errors(ecosystems):
    with pytest.raises(KeyError, match="草甸"):
        ecosystems["grassland"].stratum_key("草甸")
    with pytest.raises(KeyError, match="桉树"):
        ecosystems["forest"].species_key("桉树")


def changed(method, place, value):
    """The method with one entry of its tables replaced."""
    content = method.model_dump()
    *way, last = place.split(".")
    part = content
    for step in way:
        part = part[step]
    part[last] = value
    return type(method).model_validate(content)


@pytest.mark.parametrize(
    ("name", "place", "value", "says"),
    [
        ("grassland", "strata.desert_steppe.names", ("荒漠草原", "草原"), "a name belongs to one stratum only: 草原"),
        ("forest", "species.birch.names", ("白桦", "油松"), "one species only: 油松"),
        ("wetland", "default_stratum", "cattail", "default_stratum 'cattail' is not among the strata"),
        (
            "forest",
            "strata.larch_young.age_groups",
            ("seedling",),
            "names a species or an age group that",
        ),
        ("forest", "age_groups.young.names", ("幼龄林", "2"), "one age group only: 2"),
        ("grassland", "strata.desert_steppe.index_range", (0.5, 0.1), "the lower and then the upper end"),
        ("grassland", "biomass_model.fresh_agb.value", (1.0, 2.0, 3.0), "four coefficients, in ascending powers"),
        ("grassland", "biomass_model.form", "linear", "'cubic', 'power', 'exponential'"),
        ("forest", "expansion", "fang", "'ipcc' or 'continuous'"),
        ("forest", "species.birch.bcef", "softwoods", "species birch names a bcef or root_shoot table that is not"),
        ("wetland", "carbon_fraction.u95_abs", 0.03, "either u95_percent or u95_abs"),
        ("wetland", "carbon_fraction.status", "certain", "'verified', 'unverified' or 'local'"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(ecosystems, name, place, value, says):
    with pytest.raises(ValidationError, match=says):
        changed(ecosystems[name], place, value)


@pytest.mark.parametrize("key", ["shrub", "unstocked"])
def test_a_species_takes_no_key_that_means_something_else(ecosystems, key):
    """It would never be found: a stand of it would count as shrub, or as ground without trees."""
    with pytest.raises(ValidationError, match=f"species {key}: this key is reserved"):
        changed(ecosystems["forest"], f"species.{key}", ecosystems["forest"].species["birch"].model_dump())


# Shrubs by their stand


@pytest.mark.parametrize(("cover", "carbon"), [(0.45, 2.88), (0.30, 1.92), (0.0, 0.0), (None, 2.88)])
def test_shrub_carbon_goes_with_cover(ecosystems, cover, carbon):
    """science.md 4.3: 2.88 x f / .45 t C/ha; above ground 2.157/2.878 of it, with CF .45."""
    forest = ecosystems["forest"]
    given = None if cover is None else np.array([cover])
    stands = ZoneStands(np.array([None]), [forest.species_key("柠条")], np.ones(1), {2020: np.zeros(1)}, given)
    agb, found = stands.stock(forest, 2020)
    assert found == pytest.approx(carbon)
    assert agb == pytest.approx(carbon * (2.157 / 2.878) / 0.45, rel=1e-4)


def test_shrubs_and_trees_stand_beside_one_another(ecosystems):
    """Grouped for the interval they hold the same; shrubs neither grow nor shrink by volume."""
    forest = ecosystems["forest"]
    stands = ZoneStands(np.array([None] * 3), ["shrub", "larch", "shrub"], np.array([10.0, 20.0, 30.0]),
                        {2020: np.array([0.0, 60, 0]), 2024: np.array([0.0, 70, 0])},
                        np.array([0.2, 0.0, 0.6]))  # fmt: skip
    carbon = stands.stock(forest, 2020)[1]
    assert carbon == pytest.approx([2.88 * 0.2 / 0.45, 60 * 1.29 * 0.5158, 2.88 * 0.6 / 0.45])
    grouped = stands.grouped(forest)
    assert (grouped.area_ha * grouped.stock(forest, 2020)[1]).sum() == pytest.approx((stands.area_ha * carbon).sum())
    assert stands.gain_loss(forest) == (pytest.approx(20 * 2.5 * 0.57 * 1.29 * 0.5158), 0)
    drawn = with_values(forest, {"shrub.carbon_t_ha": np.array([1.0, 2.0])})
    np.testing.assert_allclose(stands.stock(drawn, 2020)[1][0], [0.2 / 0.45, 0.4 / 0.45])
    assert used_by(forest, "larch_middle", ["shrub"]) == ["shrub.carbon_t_ha", "shrub.reference_cover"]


# --- names in Chinese -------------------------------------------------------------------------------------


def test_every_coefficient_has_a_chinese_name_of_its_own(ecosystems):
    for ecosystem in ecosystems.values():
        names = [name_zh(ecosystem, path) for path in coefficients(ecosystem)]
        assert len(set(names)) == len(names)
        assert not [name for name in names if "_" in name or not any("一" <= letter <= "鿿" for letter in name)]


def test_kinds_of_one_quantity_stand_together(ecosystems):
    paths = ["reference_cover", "species.elm.carbon_fraction", "species.oak.carbon_fraction", "shrub.reference_cover"]
    assert names_zh(ecosystems["forest"], paths) == "参考覆盖度；榆树、蒙古栎含碳率；灌木参考覆盖度"
    assert names_zh(ecosystems["forest"], ["bcef.pines"]) == "松类BCEF"
    assert names_zh(ecosystems["grassland"], []) == ""
