"""Figures against the ranges of science.md 8."""

import pytest
from pydantic import ValidationError

from pipeline.totals.plausibility import Range, Ranges, impossible, read_ranges, unusual
from pipeline.totals.zone_totals import COLUMNS, say_unusual, withhold

RANGES = read_ranges()


def row(ecosystem="grassland", **figures):
    return dict.fromkeys(COLUMNS) | {"ecosystem": ecosystem, "status": "ok", "status_zh": "正常"} | figures


def test_usual_figures_pass():
    usual = row(ndvi_mean=0.3, agb_tDM_ha=0.6, carbon_tC_ha=1.5)
    assert unusual(usual, "typical_steppe", RANGES) == impossible(usual, "typical_steppe", RANGES) == []


def test_an_unknown_figure_is_not_judged():
    assert unusual(row(), "typical_steppe", RANGES) == impossible(row(), "typical_steppe", RANGES) == []


def test_a_steppe_type_has_its_own_range():
    """Desert steppe above NDVI .35 is unusual, typical steppe is not."""
    lush = row(ndvi_mean=0.4)
    assert unusual(lush, "typical_steppe", RANGES) == []
    assert impossible(lush, "desert_steppe", RANGES) == []
    (found,) = unusual(lush, "desert_steppe", RANGES)
    assert "ndvi_mean 0.4 outside 0.12 to 0.35" in str(found)


@pytest.mark.parametrize(
    ("stratum", "figures"),
    [
        ("typical_steppe", {"ndvi_mean": ((0.25, 0.55), (0.05, 0.9)), "agb_tDM_ha": ((0.4, 2.0), (0, 4))}),
        ("meadow_steppe", {"ndvi_mean": ((0.45, 0.75), (0.05, 0.9)), "agb_tDM_ha": ((1.0, 3.5), (0, 7))}),
        ("desert_steppe", {"ndvi_mean": ((0.12, 0.35), (0, 0.6)), "agb_tDM_ha": ((0.2, 1.0), (0, 2.5))}),
    ],
)
def test_ranges_of_the_steppe_types(stratum, figures):
    """science.md 8; a steppe type of one's own has the range of all grassland."""
    found = {quantity: RANGES.of(quantity, "grassland", stratum) for quantity in figures}
    assert {quantity: (r.usual, r.hard) for quantity, r in found.items()} == figures
    assert RANGES.of("agb_tDM_ha", "grassland", "my_own").hard == (0, 7)


def test_a_finding_says_in_both_languages_what_the_range_rests_on_and_whether_that_was_checked():
    (lush,) = unusual(row(ndvi_mean=0.4), "desert_steppe", RANGES)
    assert str(lush).endswith(" (field experience, Damao; unverified)")
    assert lush.zh == "平均NDVI 0.4，高于常见范围 0.12 至 0.35（依据：达茂实地经验；未核实）"
    (thin,) = unusual(row(carbon_tC_ha=0.5), "desert_steppe", RANGES)
    assert str(thin).endswith(" (derived from Hu F.-L. et al. 2020)")


def test_an_impossible_figure_takes_the_total_away_and_says_why():
    heavy = row("forest", carbon_tC_ha=150.0, carbon_tC=1e6, sink_tCO2_yr=5.0, sink_tCO2_ha_yr=0.5)
    (found,) = impossible(heavy, "larch_middle", RANGES)
    assert found not in unusual(heavy, "larch_middle", RANGES)
    held = withhold(heavy, [found])
    assert held["carbon_tC"] is None
    assert held["sink_tCO2_yr"] is held["sink_tCO2_ha_yr"] is None
    assert held["carbon_tC_ha"] == 150
    assert "carbon_tC_ha 150 outside 0 to 120" in held["status"]
    basis = "（依据：大青山落叶松 2024（9-15），Huang X.-Q. 等 2016）"
    assert held["status_zh"] == f"生物量碳密度 150 吨碳/公顷，高于可能范围 0 至 120{basis}，不计总量"
    noted = withhold(heavy | {"status": "ok; no sink: one period only", "status_zh": "正常；仅一期，不计碳汇"}, [found])
    assert noted["status"].startswith("no sink: one period only; no total, impossible: carbon_tC_ha 150")
    assert noted["status_zh"].startswith("仅一期，不计碳汇；生物量碳密度 150 吨碳/公顷，高于")


def test_an_unusual_figure_keeps_its_total():
    held = row("forest", carbon_tC_ha=5.0, carbon_tC=1e6)
    say_unusual(held, unusual(held, "larch_middle", RANGES))
    assert held["carbon_tC"] == 1e6
    assert (held["status"], held["status_zh"]) == ("figures outside usual ranges", "数值超出常见范围，见合理性")
    assert "unusual: carbon_tC_ha 5 outside 8 to 60" in held["plausibility"]
    noted = held | {"status": "ok; no sink: one period only", "status_zh": "正常；仅一期，不计碳汇"}
    say_unusual(noted, unusual(held, "larch_middle", RANGES))
    assert noted["status"] == "no sink: one period only; figures outside usual ranges"
    assert noted["status_zh"] == "仅一期，不计碳汇；数值超出常见范围，见合理性"
    assert held["plausibility_zh"].startswith("生物量碳密度 5 吨碳/公顷，低于常见范围 8 至 60（依据：大青山")


def test_a_large_figure_is_printed_with_three_digits_and_no_exponent():
    (found,) = impossible(row("forest", carbon_tC_ha=30_123.4), "larch_middle", RANGES)
    assert found.zh.startswith("生物量碳密度 30,100 吨碳/公顷，高于可能范围 0 至 120（")


def test_the_increment_is_the_sink_as_carbon():
    """-20 t CO2/ha/yr is -5.45 t C/ha/yr, beyond the hard limit of -5."""
    (found,) = impossible(row("forest", sink_tCO2_ha_yr=-20.0), "larch_middle", RANGES)
    assert found.value == pytest.approx(-20 * 12 / 44)
    assert found.zh.startswith("生物量碳密度年变化 -5.45 吨碳/(公顷·年)，低于可能范围")


@pytest.mark.parametrize(("high95", "flagged"), [(79_000.0, True), (81_000.0, False)])
def test_a_figure_whose_interval_reaches_into_the_usual_range_is_not_unusual(high95, flagged):
    """8 t C/ha and more are usual: 80 000 t C on 10 000 ha."""
    light = row("forest", carbon_tC_ha=5.0, area_ha=10_000.0, carbon_tC_low95=30_000.0, carbon_tC_high95=high95)
    assert bool(unusual(light, "larch_middle", RANGES)) == flagged
    heavy = light | {"carbon_tC_ha": 150.0, "carbon_tC_low95": 0.0, "carbon_tC_high95": 2e6}
    assert impossible(heavy, "larch_middle", RANGES)  # by the estimate alone


@pytest.mark.parametrize(("low95", "high95", "flagged"), [(-9e3, 9e3, False), (-9e3, 1e3, True), (None, None, True)])
def test_the_increment_of_a_forest_is_unusual_only_by_its_stands(low95, high95, flagged):
    """.05 t C/ha/yr are 1833 t CO2/yr on 10 000 ha. A method by class means sees no growth and is not judged by it."""
    still = row("forest", sink_tCO2_ha_yr=0.0, area_ha=10_000.0, sink_tCO2_yr_low95=low95, sink_tCO2_yr_high95=high95)
    assert unusual(still, "larch_middle", RANGES) == []
    assert bool(unusual(still | {"stand_area_fraction": 0.9}, "larch_middle", RANGES)) == flagged


def test_every_range_says_where_it_is_from():
    assert all(r.source and r.source_zh and r.status for r in RANGES.ranges)


def test_a_range_without_words_in_chinese_names_its_source_as_it_stands():
    mine = Range(quantity="agb_tDM_ha", where="grassland", usual=(1, 2), hard=(0, 3), source="plots", status="local")
    (found,) = unusual(row(agb_tDM_ha=2.5), "my_own", Ranges(ranges=(mine,)))
    assert found.zh.endswith("（依据：plots）")


def test_a_usual_range_lies_within_the_hard_one():
    with pytest.raises(ValidationError, match="within the hard one"):
        Range(quantity="ndvi_mean", where="forest", usual=(0, 1), hard=(0.2, 0.9), source="made up", status="local")
