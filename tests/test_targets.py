"""Targets of the plan: only what cannot lie above the target's own figure says that it is reached."""

import pytest
from pydantic import ValidationError
from tiny_world import World, read_csv

from pipeline.totals.group_totals import as_counted
from pipeline.totals.targets import TARGET_COLUMNS, Targets, target_rows

VOLUME = Targets(year=2025, forest_volume_m3=3_800_000)


def zone(zone_id: str, volume: float | None) -> dict:
    return {"level": "zone", "zone_id": zone_id, "ecosystem": "forest", "volume_m3": volume}


def group(name: str, **figures) -> dict:
    unknown = dict.fromkeys(("area_wanmu", "fvc_mean", "volume_m3"))
    return unknown | {"level": "ecosystem", "zone_id": name, "ecosystem": name, "period": "2023-2025"} | figures


def forest(volume: float, low: float | None, high: float | None) -> list[dict]:
    whole = group("forest", volume_m3=volume, volume_m3_low95=low, volume_m3_high95=high, stand_stock_year=2023.5)
    return [zone("F01", volume), zone("F02", None), whole]


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [
        (3_800_000, 4_400_000, "reached"),
        (3_799_999, 4_400_000, "open"),  # the interval holds what is less
        (2_000_000, 3_000_000, "open"),  # forest outside the zones may hold the rest
        (None, None, "open"),  # no draws: nobody knows
    ],
)
def test_the_volume_of_the_zones_is_a_lower_bound_of_the_city(low, high, finding):
    (row,) = target_rows(VOLUME, forest(4_000_000, low, high))
    assert list(row) == list(TARGET_COLUMNS)
    assert (row["finding"], row["finding_zh"]) == (finding, {"reached": "已达到", "open": "不能判定"}[finding])
    assert (row["target_value"], row["unit"], row["year"], row["period"]) == (3_800_000, "m3", 2025, "2023.5")
    assert (row["estimate"], row["low95"], row["high95"]) == (4_000_000, low, high)
    assert row["measured"] == "live volume of the stands of 1 of 2 forest zones in 2023.5"


def test_a_volume_that_counts_twice_reaches_nothing():
    (row,) = target_rows(VOLUME, forest(4_000_000, 3_900_000, 4_100_000), volume_counts_twice=True)
    assert (row["finding"], row["reason_zh"]) == ("open", "小班或片区重叠，蓄积重复计算")


def test_without_stands_no_volume_is_measured():
    (row,) = target_rows(VOLUME, [zone("F01", None), group("forest")])
    assert (row["measured"], row["estimate"], row["finding"]) == (None, None, "open")
    assert row["reason_zh"] == "森林片区没有小班蓄积数据"


def test_an_official_rate_is_not_judged_by_a_cover_that_is_higher():
    rows = [group("grassland", fvc_mean=0.9, fvc_mean_low95=0.8, fvc_mean_high95=0.95)]
    (row,) = target_rows(Targets(year=2025, grassland_cover_percent=38), rows)
    assert [row[name] for name in ("estimate", "low95", "high95")] == pytest.approx([90, 80, 95])
    assert row["finding"] == "open"
    assert "ground plots" in row["reason"]


def test_a_cover_that_goes_without_a_zone_says_so():
    """G02 was hardly seen: it has a cover of its own, which counts for no grassland (`group_totals.counted`)."""
    zones = [
        group("grassland") | {"level": "zone", "zone_id": name, "fvc_mean": 0.9, "observed_fraction": seen}
        | dict.fromkeys(("carbon_tC", "agb_tDM_ha", "carbon_tC_ha"), 1.0)
        for name, seen in (("G01", 1.0), ("G02", 0.2))
    ]  # fmt: skip
    rows = [*zones, group("grassland", fvc_mean=0.9)]
    targets = Targets(year=2025, grassland_cover_percent=38)
    (row,) = target_rows(targets, as_counted(rows, 0.5))
    assert row["measured"] == "mean cover by satellite of 1 of 2 grassland zones"
    assert row["measured_zh"] == "1/2个草原片区遥感植被覆盖度均值"
    (row,) = target_rows(targets, as_counted(rows, 0.1))
    assert row["measured_zh"] == "草原片区遥感植被覆盖度均值"


def test_rates_that_no_image_shows_have_no_figure_beside_them():
    found = target_rows(Targets(year=2025, forest_cover_percent=19.3, wetland_protection_percent=38), [])
    assert [row["target_zh"] for row in found] == ["森林覆盖率", "湿地保护率"]
    assert all(row["estimate"] is row["measured"] is None for row in found)
    assert all(row["reason"] and row["reason_zh"] for row in found)


def test_the_area_of_a_zone_is_not_that_of_finished_work():
    targets = Targets(year=2025, project_wanmu={"wetland": 10, "forest": 330})
    wetland, trees = target_rows(targets, [group("wetland", area_wanmu=18.0)])
    assert (wetland["estimate"], wetland["low95"], wetland["finding"]) == (18.0, None, "open")
    assert (trees["target_zh"], trees["estimate"], trees["finding"]) == ("森林项目面积", None, "open")


def test_what_is_simulated_is_called_so():
    rows = [group("grassland", fvc_mean=0.3)]
    (row,) = target_rows(Targets(year=2025, grassland_cover_percent=38), rows, simulated=True)
    assert row["measured"].endswith("(simulated)")
    assert row["measured_zh"].endswith("（模拟数据）")


def test_only_targets_that_are_set_have_a_row():
    assert target_rows(Targets(year=2030), forest(1, 1, 1)) == []


@pytest.mark.parametrize(
    "wrong",
    [{"grassland_cover_percent": 138}, {"forest_volume_m3": 0}, {"project_wanmu": {"desert": 1}}, {"forest_area": 1}],
)
def test_an_impossible_target_is_refused(wrong):
    with pytest.raises(ValidationError):
        Targets(year=2025, **wrong)


def test_a_run_writes_the_targets_of_its_plan_and_takes_them_back_with_it(tmp_path):
    world = World.finished(tmp_path)
    plan = {"year": 2025, "forest_volume_m3": 1000, "project_wanmu": {"grassland": 1}}
    world.settings |= {"targets": plan, "uncertainty": {"draws": 200}}
    world.write_config()
    done = world.run()
    volume, project = read_csv(world.results / "targets.csv")
    forest_row = done.row("forest")
    for name, column in (("estimate", "volume_m3"), ("low95", "volume_m3_low95"), ("high95", "volume_m3_high95")):
        assert float(volume[name]) == pytest.approx(forest_row[column], rel=1e-9)
    assert float(volume["low95"]) < float(volume["estimate"]) < float(volume["high95"])
    assert (forest_row["stand_stock_year"], done.row("F01")["stand_stock_year"]) == (2024, 2024)
    assert done.row("G01")["stand_stock_year"] is None
    assert volume["measured_zh"] == "1/2个森林片区小班活立木蓄积，2024年（模拟数据）"
    assert float(project["estimate"]) == pytest.approx(done.row("grassland")["area_wanmu"], rel=1e-9)

    del world.settings["targets"]
    world.write_config()
    world.run()
    assert not (world.results / "targets.csv").exists()
