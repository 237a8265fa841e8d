"""What stands beside the totals: by hand, and never in them."""

import numpy as np
import pytest
import rasterio
import shapely
from tiny_world import World, read_csv, undisturbed

from pipeline.ecosystems.wetland import Methane
from pipeline.stock.sketch import LEVELS, Sketch
from pipeline.stock.zone_model import ZoneModel
from pipeline.totals.separate import SEPARATE_COLUMNS, separate_rows
from pipeline.uncertainty.varying import DrawSettings
from pipeline.vegetation import EndMembers
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import ZoneStands


def model(ecosystems, name, stratum, stands=None):
    zone = Zone("Z1", "甲", name, stratum, 100.0, None, shapely.box(0, 0, 1000, 1000))
    return ZoneModel(zone, ecosystems[name], EndMembers(0.10, 0.80), stands)


def sketch(land, water=()):
    """Pixels by index level."""
    weights = [np.zeros(LEVELS.size) for _ in range(2)]
    for levels, weight in zip((land, water), weights, strict=True):
        for level in levels:
            weight[level - LEVELS[0]] += 1
    size = float(len(land) + len(water))
    return Sketch(*weights, np.array([0, size]), size)


def row(*zone, with_volume=("Z1",)):
    (found,) = separate_rows([zone], with_volume, DrawSettings(20_000, 1, 3.0))
    assert list(found) == list(SEPARATE_COLUMNS)
    return {key: value for key, value in found.items() if value is not None and key not in ("zone_id", "name_zh")}


def test_grass_beyond_the_calibrated_range_is_counted(ecosystems):
    """Two of four pixels lie outside .07-.45."""
    grass = model(ecosystems, "grassland", "desert_steppe")
    found = row(grass, sketch([600, 2000, 4500, 4600]), with_volume=())
    assert found == {"ecosystem": "grassland", "clamped_fraction": 0.5}


def test_a_wetland_has_its_inundated_share_and_no_methane_unless_its_numbers_are_given(ecosystems):
    found = row(model(ecosystems, "wetland", "reed"), sketch([3000] * 3, [0]), with_volume=())
    assert found == {"ecosystem": "wetland", "clamped_fraction": 0, "inundated_fraction": 0.25}


def test_methane_has_the_interval_of_its_flux_gwp_and_area(ecosystems):
    """100 ha x 235 kg x 28: half-widths of 50, 20 and 3 % are 53.9 % together; without draws there is no interval."""
    rows = {"unit": "-", "distribution": "normal", "source": "-", "status": "local"}
    methane = Methane(flux={**rows, "value": 235, "u95_percent": 50, "valid": (0, 900)},
                      warming={**rows, "value": 28, "u95_percent": 20, "valid": (1, 99)})  # fmt: skip
    wet = model(
        ecosystems | {"wetland": ecosystems["wetland"].model_copy(update={"methane": methane})}, "wetland", "reed"
    )
    found = row(wet, sketch([3000]), with_volume=())
    low, value, high = (found[f"methane_tCO2e_yr{end}"] for end in ("_low95", "", "_high95"))
    assert value == pytest.approx(658)
    assert [(end - value) / value for end in (low, high)] == pytest.approx([-0.539, 0.539], abs=0.03)
    (without,) = separate_rows([(wet, sketch([3000]))], (), None)
    assert (without["methane_tCO2e_yr"], without["methane_tCO2e_yr_low95"]) == (value, None)


def test_nothing_observed_is_nothing_known(ecosystems):
    assert row(model(ecosystems, "wetland", "reed"), sketch([]), with_volume=()) == {"ecosystem": "wetland"}


def test_gain_less_loss_of_two_stands(ecosystems):
    """10 ha of larch 50 -> 60 and 5 ha of birch 110 -> 100 m3/ha in 5 years."""
    stands = ZoneStands(np.array([None] * 2), ["larch", "birch"], np.array([10.0, 5.0]),
                        {2020: np.array([50.0, 110.0]), 2025: np.array([60.0, 100.0])})  # fmt: skip
    found = row(model(ecosystems, "forest", "larch_middle", stands), sketch([6000]))
    gain, loss = 10 * 2 * 0.57 * 1.40 * 0.5158, 5 * 2 * 1.05 * 1.23 * 0.5125
    assert (found["gain_tC_yr"], found["loss_tC_yr"]) == pytest.approx((gain, loss))
    assert found["gain_loss_tC_yr"] == pytest.approx(gain - loss)
    assert found["gain_loss_tCO2_yr"] == pytest.approx((gain - loss) * 44 / 12)
    withheld = row(model(ecosystems, "forest", "larch_middle", stands), sketch([6000]), with_volume=())
    assert withheld == {"ecosystem": "forest"}


METHANE = """
methane:
  flux: {value: 235, unit: kg CH4/ha/yr, u95_percent: 80, valid: [0, 1000], source: own chambers, status: local}
  warming: {value: 28, unit: t CO2/t CH4, distribution: fixed, valid: [20, 90], source: own choice, status: local}
"""


def test_a_carbon_of_wetland_nowhere_goes_without_saying_that_methane_is_excluded(tmp_path, sinkmap):
    """Nor does that of forest and grass say so by itself; sums of all zones do."""
    world = World.finished(tmp_path / "world")
    said = "湿地仅CO2，不含CH4 (wetland CO2 only, CH4 excluded)"
    for path in world.results.glob("*.csv"):
        assert all(each["note"].endswith(f"；{said}") for each in read_csv(path)), path
    for zone, in_it in (("W01", True), ("F01", False), ("G01", False)):
        rasters = sorted((world.results / "zones" / zone).glob(f"{zone}_*.tif"))
        assert rasters
        for path in rasters:
            with rasterio.open(path) as file:
                assert (said in file.tags()["NOTE"]) == in_it
    for change, zone, in_it in (("wetland.agb_g_m2=600", "W01", True), ("grassland.root_shoot=4", "G01", False)):
        _, answer, _ = sinkmap("what-if", "--set", change, "--zone", zone, world.config, "--out", world.out)
        assert ("CH4 excluded" in " ".join(answer.split())) == in_it


def test_growth_and_methane_change_no_total(tmp_path):
    """Other increment tables and methane switched on: a new separate table; stock and sink of all levels as before."""
    world = World.at(tmp_path / "world")
    world.change_coefficient("forest", "[1.0, 0.83, 0.57, 0.53, 0.6]", "[2.0, 1.66, 1.14, 1.06, 1.2]")
    world.change_coefficient("wetland", "default_stratum: reed\n", f"default_stratum: reed{METHANE}")
    world.run()
    found, before = world.files(), undisturbed()
    assert found["separate.csv"] != before["separate.csv"]
    for name in ("summary.csv", "by_year.csv"):
        (tmp_path / name).write_bytes(before[name])
        for old, new in zip(read_csv(tmp_path / name), read_csv(world.results / name), strict=True):
            changed = {key for key in old if old[key] != new[key]}
            assert changed <= {"method", "method_zh", "unverified", "unverified_zh", "note"}, (name, changed)
            assert "CH4" not in new["note"]
    rows = {each["zone_id"]: each for each in read_csv(world.results / "separate.csv")}
    assert float(rows["F01"]["gain_loss_tC_yr"]) > 0
    area = next(each for each in read_csv(world.results / "summary.csv") if each["zone_id"] == "W01")["area_ha"]
    assert float(rows["W01"]["methane_tCO2e_yr"]) == pytest.approx(float(area) * 235 * 28 / 1000)
