"""Biomass and carbon of the shipped methods: reference cases of science.md, and coefficients that say where from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.ecosystems import BinnedCoefficient, coefficients
from pipeline.vegetation import EndMembers

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


@pytest.mark.parametrize(
    ("stratum", "t_c_ha"),
    [("desert_steppe", 2.0763), ("typical_steppe", 0.60 * 5.79 * 0.45)],  # R 6.69 and 4.79 (Hu 2020), CF .45
)
def test_roots_hold_most_of_the_carbon_of_60_g_of_grass(ecosystems, stratum, t_c_ha):
    assert ecosystems["grassland"].carbon(np.array(0.60), stratum) == pytest.approx(t_c_ha, abs=5e-5)


# Wetland


@pytest.mark.parametrize(("cover", "t_ha", "t_c_ha"), [(1.0, 5.30, 2.385), (0.5, 2.65, 1.1925), (0.0, 0.0, 0.0)])
def test_reed_is_530_g_where_it_covers_the_ground(ecosystems, cover, t_ha, t_c_ha):
    """Momoge 2020: 530 g/m2 dry; above ground only, CF .45."""
    found = ecosystems["wetland"].respond(at_cover(cover), ENDS, "reed")
    assert found["agb"] == pytest.approx(t_ha, abs=1e-12)
    assert found["carbon_stock"] == pytest.approx(t_c_ha, abs=1e-12)
    assert "CH4 excluded" in ecosystems["wetland"].method


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


# Coefficients


@pytest.mark.parametrize(
    ("table", "row", "at", "values"),
    [
        # science.md 4.2, IPCC 2006 V4 tables 4.5 and 4.4: each bin at its upper edge and just above
        ("bcef", "hardwoods", [20, 20.1, 40, 41, 100, 101, 200, 201], [3, 1.7, 1.7, 1.4, 1.4, 1.05, 1.05, 0.8]),
        ("bcef", "pines", [20, 20.1, 40, 41, 100, 101, 200, 201], [1.8, 1, 1, 0.75, 0.75, 0.7, 0.7, 0.7]),
        ("bcef", "other_conifers", [20, 20.1, 40, 41, 100, 101, 200, 201], [3, 1.4, 1.4, 1, 1, 0.75, 0.75, 0.7]),
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


def all_rows(ecosystems):
    return {f"{name}.{path}": row for name, method in ecosystems.items() for path, row in coefficients(method).items()}


def test_every_coefficient_says_unit_source_status_and_half_width(ecosystems):
    found = all_rows(ecosystems)
    assert len(found) > 60
    for path, each in found.items():
        assert each.unit.strip(), path
        assert len(each.source.strip()) > 5, path
        assert each.half_width > 0, path
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
        ("forest", "species.birch.bcef", "softwoods", "species birch names a bcef or root_shoot table that is not"),
        ("wetland", "carbon_fraction.u95_abs", 0.03, "either u95_percent or u95_abs"),
        ("wetland", "carbon_fraction.status", "certain", "'verified', 'unverified' or 'local'"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(ecosystems, name, place, value, says):
    with pytest.raises(ValidationError, match=says):
        changed(ecosystems[name], place, value)
