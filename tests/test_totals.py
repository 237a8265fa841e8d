"""Rows of ecosystems and city: means by area, and totals of a year only where they are whole."""

import pytest

from pipeline.totals.group_totals import counted, group_rows, year_group_rows
from pipeline.totals.zone_totals import COLUMNS, YEAR_COLUMNS

ZONES = [
    {"zone_id": "F01", "ecosystem": "forest", "area_ha": 100.0},
    {"zone_id": "F02", "ecosystem": "forest", "area_ha": 300.0},
    {"zone_id": "W01", "ecosystem": "wetland", "area_ha": 50.0},
]


def year_row(zone_id: str, year: int, cover: float | None, carbon: float | None) -> dict:
    """A row of the table of years; only a zone without an observation has no cover."""
    seen = 0.0 if cover is None else 1.0
    known = {"observed_fraction": seen, "fvc_mean": cover, "carbon_tC": carbon, "index_name": "ndvi"}
    return dict.fromkeys(YEAR_COLUMNS) | {"level": "zone", "zone_id": zone_id, "year": year} | known


def groups(by_year: list[dict], zones: list[dict] = ZONES, min_observed=0.5) -> dict[tuple[str, int], dict]:
    rows = year_group_rows(by_year, zones, ["forest", "grassland", "wetland"], min_observed)
    assert all(list(row) == list(YEAR_COLUMNS) for row in rows)
    return {(row["zone_id"], row["year"]): row for row in rows}


BOTH_YEARS = [
    year_row("F01", 2024, 0.8, 1000.0), year_row("F01", 2025, 0.4, 800.0),
    year_row("F02", 2024, 0.4, 600.0), year_row("F02", 2025, None, None),
    year_row("W01", 2024, 0.5, 10.0), year_row("W01", 2025, 0.6, 12.0),
]  # fmt: skip


def test_each_year_has_a_row_of_each_ecosystem_that_has_zones_and_of_the_city():
    found = groups(BOTH_YEARS)
    assert list(found) == [(name, year) for name in ("forest", "wetland", "city") for year in (2024, 2025)]
    assert found["forest", 2024]["name_zh"] == "森林合计"
    assert (found["city", 2024]["level"], found["city", 2024]["index_name"]) == ("city", "ndvi")


def test_means_are_weighted_by_area_and_totals_summed():
    found = groups(BOTH_YEARS)
    assert found["forest", 2024]["fvc_mean"] == pytest.approx(0.8 * 0.25 + 0.4 * 0.75)
    assert found["forest", 2024]["carbon_tC"] == 1600
    assert found["city", 2024]["carbon_tC"] == 1610
    assert found["city", 2024]["fvc_mean"] == pytest.approx((80 + 120 + 25) / 450)


def test_cover_of_grassland_types_is_weighted_by_their_area():
    """1000 ha of 25 %, 500 of 60 and 100 of 80: 39.375 % (science.md 9)."""
    zones = [{"zone_id": f"G{n}", "ecosystem": "grassland", "area_ha": area} for n, area in enumerate((1000, 500, 100))]
    found = groups([year_row(f"G{n}", 2024, cover, 1.0) for n, cover in enumerate((0.25, 0.6, 0.8))], zones)
    assert found["grassland", 2024]["fvc_mean"] == pytest.approx(0.39375)


@pytest.mark.parametrize("seen", [0.0, 0.05])
def test_a_year_in_which_a_zone_was_not_seen_has_no_figure_that_would_pass_for_a_change(seen):
    """F02 covers three quarters of the forest; the mean of F01 alone, 0.4, is no forest to compare with 2024."""
    found = groups([row | {"observed_fraction": seen} if (row["zone_id"], row["year"]) == ("F02", 2025) else row
                    for row in BOTH_YEARS])  # fmt: skip
    for name in ("carbon_tC", "fvc_mean"):
        assert found["forest", 2025][name] is found["city", 2025][name] is None
    assert found["forest", 2025]["observed_fraction"] == 0.25 + 0.75 * seen
    assert (found["wetland", 2025]["carbon_tC"], found["wetland", 2025]["fvc_mean"]) == (12, 0.6)


def test_a_zone_of_which_nothing_was_seen_leaves_a_year_without_its_mean_whatever_share_is_asked_for():
    rows = [row | {"ndvi_mean": row["fvc_mean"]} for row in BOTH_YEARS]
    found = groups(rows, min_observed=0.0)
    assert found["forest", 2024]["ndvi_mean"] == pytest.approx(0.5)
    assert found["forest", 2025]["ndvi_mean"] is found["city", 2025]["ndvi_mean"] is None


def test_a_stock_by_stands_stands_in_a_year_that_was_hardly_seen():
    """F02 has its inventory under cloud, so the forest has its stock, and no cover to compare."""
    stands = year_row("F02", 2025, 0.5, 600.0) | {"observed_fraction": 0.05, "carbon_tC_ha": 2.0}
    seen = year_row("F01", 2025, 0.4, 800.0) | {"carbon_tC_ha": 8.0}
    found = groups([seen, stands, year_row("W01", 2025, 0.6, 12.0)])
    assert found["forest", 2025]["carbon_tC"] == 1400
    assert found["forest", 2025]["carbon_tC_ha"] == (8 * 100 + 2 * 300) / 400
    assert found["forest", 2025]["fvc_mean"] is None


def test_a_zone_that_failed_leaves_its_ecosystem_without_yearly_totals():
    found = groups([row for row in BOTH_YEARS if row["zone_id"] != "F02"])
    assert found["forest", 2024]["carbon_tC"] is found["forest", 2024]["fvc_mean"] is None
    assert found["wetland", 2024]["carbon_tC"] == 10


def test_densities_of_a_group_that_are_compared_are_of_the_same_zones(ecosystems):
    """G02 was not seen in the current period: its 2 t C/ha are in neither figure, and in none of the sum."""
    blank = dict.fromkeys(COLUMNS) | {"ecosystem": "grassland", "level": "zone"}
    seen = blank | {"zone_id": "G01", "area_ha": 100.0, "carbon_tC_ha": 6.0, "baseline_carbon_tC_ha": 5.0}
    unseen = blank | {"zone_id": "G02", "area_ha": 300.0, "baseline_carbon_tC_ha": 2.0}
    grassland, _ = group_rows([seen | {"carbon_tC": 600.0}, unseen], ecosystems)
    assert (grassland["carbon_tC_ha"], grassland["baseline_carbon_tC_ha"], grassland["carbon_tC"]) == (6, 5, 600)
    only, _ = group_rows([seen | {"baseline_carbon_tC_ha": None}, unseen], ecosystems)
    assert (only["carbon_tC_ha"], only["baseline_carbon_tC_ha"]) == (6, 2)


def zone_line(zone_id: str, **changes) -> dict:
    known = {
        "carbon_tC": 1000.0,
        "sink_tCO2_yr": 10.0,
        "comparability": "comparable",
        "figure_class": "proxy",
        "baseline_period": "2019-2021",
    }
    return dict.fromkeys(COLUMNS) | {"zone_id": zone_id, "ecosystem": "forest", "area_ha": 100.0} | known | changes


def test_a_group_names_each_unverified_coefficient_once(ecosystems):
    """Zones of other tree species share some of them, and each zone's line puts its own species together."""
    zones = [
        zone_line("F01", unverified="species.elm.carbon_fraction; species.poplar.carbon_fraction; index_bias"),
        zone_line("F02", unverified="species.poplar.carbon_fraction; shrub.reference_cover"),
        zone_line("G01", ecosystem="grassland", unverified="index_bias; forest.shrub.reference_cover"),
        zone_line("G02", ecosystem="grassland"),
    ]
    forest, grassland, city = group_rows(zones, ecosystems)
    assert forest["unverified_zh"] == "榆树、杨树含碳率；指数偏差；灌木参考覆盖度"
    assert grassland["unverified"] == "index_bias; forest.shrub.reference_cover"
    assert city["unverified_zh"] == "榆树、杨树含碳率；指数偏差；灌木参考覆盖度"
    assert group_rows([zone_line("F04")], ecosystems)[0]["unverified_zh"] is None


def test_a_group_says_how_many_of_its_zones_are_not_as_they_should_be(ecosystems):
    zones = [
        zone_line("F01", comparability="conditional", plausibility="unusual: carbon_tC_ha 5 outside 8 to 60"),
        zone_line("F02", comparability="not comparable", sink_tCO2_yr=None),
        zone_line("F03", comparability="conditional"),
        zone_line("F04"),
    ]
    forest, city = group_rows(zones, ecosystems)
    assert forest["figure_class"] == "proxy"
    assert forest["status"] == (
        "sink_tCO2_yr lacks 1 of 4 zones; 2 of 4 zones conditional; 1 of 4 zones not comparable; "
        "1 of 4 zones outside usual ranges"
    )
    assert city["status_zh"].endswith("缺1/4个片区；2/4个片区有条件可比；1/4个片区不可比；1/4个片区超出常见范围")
    assert group_rows([zone_line("F04")], ecosystems)[0]["status_zh"] == "正常"
    assert (forest["sink_tCO2_yr"], forest["sink_finding"], forest["sink_finding_zh"]) == (30, "partial", "缺1/4个片区")
    assert group_rows([zone_line("F04")], ecosystems)[0]["sink_finding"] is None  # left to its interval
    alone = zone_line("F04", baseline_period=None, comparability=None, sink_tCO2_yr=None)
    assert group_rows([alone], ecosystems)[0]["status"] == "ok; no sink: one period only"


def test_what_does_not_stand_for_a_zone_does_not_stand_for_its_group():
    """G01 was hardly seen and has no total; F01's total is withheld; F02 has its stands under cloud."""
    means = {"fvc_mean": 0.6, "ndvi_mean": 0.5, "carbon_tC_ha": 3.0, "agb_tDM_ha": 1.0, "observed_fraction": 0.9}
    hardly_seen = zone_line("G01", **means | {"observed_fraction": 0.2}, carbon_tC=None)
    withheld = zone_line("F01", **means, carbon_tC=None)
    stands = zone_line("F02", **means | {"observed_fraction": 0.2})
    found = [
        {name: counted(row, 0.5)[name] for name in ("fvc_mean", "carbon_tC_ha", "agb_tDM_ha")}
        for row in (hardly_seen, withheld, stands)
    ]
    assert [list(row.values()) for row in found] == [[None, None, None], [0.6, None, None], [None, 3.0, 1.0]]


def test_part_of_what_was_declared_is_no_sum(ecosystems):
    both = [zone_line("F01", declared_wanmu=3.0), zone_line("F02", declared_wanmu=4.0)]
    assert group_rows(both, ecosystems)[0]["declared_wanmu"] == 7
    assert group_rows([*both, zone_line("F03")], ecosystems)[0]["declared_wanmu"] is None
