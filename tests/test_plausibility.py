"""Figures against the ranges of science.md 8."""

import pytest
from pydantic import ValidationError

from pipeline.plausibility import Range, findings, read_ranges
from pipeline.totals import COLUMNS, withhold

RANGES = read_ranges()


def row(ecosystem="grassland", **figures):
    return dict.fromkeys(COLUMNS) | {"ecosystem": ecosystem, "status": "ok", "status_zh": "正常"} | figures


def test_usual_figures_pass():
    assert findings(row(ndvi_mean=0.3, agb_tDM_ha=0.6, carbon_tC_ha=1.5), "typical_steppe", RANGES) == []


def test_an_unknown_figure_is_not_judged():
    assert findings(row(), "typical_steppe", RANGES) == []


def test_a_steppe_type_has_its_own_range():
    """Desert steppe above NDVI .35 is unusual, typical steppe is not."""
    lush = row(ndvi_mean=0.4)
    assert findings(lush, "typical_steppe", RANGES) == []
    (found,) = findings(lush, "desert_steppe", RANGES)
    assert not found.impossible
    assert "ndvi_mean 0.4 outside 0.12 to 0.35" in str(found)


def test_an_impossible_figure_takes_the_total_away_and_says_why():
    heavy = row("forest", carbon_tC_ha=150.0, carbon_tC=1e6, sink_tCO2_yr=5.0, sink_tCO2_ha_yr=0.5)
    (found,) = [f for f in findings(heavy, "larch_middle", RANGES) if f.impossible]
    held = withhold(heavy, [found])
    assert held["carbon_tC"] is None
    assert held["sink_tCO2_yr"] is held["sink_tCO2_ha_yr"] is None
    assert held["carbon_tC_ha"] == 150
    assert "carbon_tC_ha 150 outside 0 to 120" in held["status"]
    assert held["status_zh"] == "碳密度(吨碳/公顷) 150, 高于可能范围 0 至 120, 不计总量"
    noted = withhold(heavy | {"status": "ok; no sink: one period only", "status_zh": "正常; 仅一期, 不计碳汇"}, [found])
    assert noted["status"].startswith("no sink: one period only; no total, impossible: carbon_tC_ha 150")
    assert noted["status_zh"].startswith("仅一期, 不计碳汇; 碳密度(吨碳/公顷) 150")


def test_an_unusual_figure_keeps_its_total():
    light = row("forest", carbon_tC_ha=5.0, carbon_tC=1e6)
    held = withhold(light, findings(light, "larch_middle", RANGES))
    assert held["carbon_tC"] == 1e6
    assert (held["status"], held["status_zh"]) == ("figures outside usual ranges", "数值超出常见范围, 见合理性")
    assert "unusual: carbon_tC_ha 5 outside 8 to 60" in held["plausibility"]
    assert held["plausibility_zh"] == "碳密度(吨碳/公顷) 5, 低于常见范围 8 至 60"


def test_a_large_figure_is_printed_with_three_digits_and_no_exponent():
    (found,) = findings(row("forest", carbon_tC_ha=30_123.4), "larch_middle", RANGES)
    assert found.zh == "碳密度(吨碳/公顷) 30,100, 高于可能范围 0 至 120"


def test_the_increment_is_the_sink_as_carbon():
    """-20 t CO2/ha/yr is -5.45 t C/ha/yr, beyond the hard limit of -5."""
    (found,) = findings(row("forest", sink_tCO2_ha_yr=-20.0), "larch_middle", RANGES)
    assert found.impossible
    assert found.value == pytest.approx(-20 * 12 / 44)


def test_every_range_says_where_it_is_from():
    assert all(r.source and r.status for r in RANGES.ranges)


def test_a_usual_range_lies_within_the_hard_one():
    with pytest.raises(ValidationError, match="within the hard one"):
        Range(quantity="ndvi_mean", where="forest", usual=(0, 1), hard=(0.2, 0.9), source="made up", status="local")
