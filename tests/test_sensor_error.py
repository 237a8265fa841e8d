"""What the adjustment of a sensor leaves of error: worked by hand, and as a named cause of the intervals."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from test_realisations import BASELINE, CURRENT, SETTINGS, SINK, STOCK, YEARS, drawn, zone_model
from tiny_world import World, run_here

from pipeline.carbon import CO2_PER_C
from pipeline.ecosystems.rows import Z95
from pipeline.inputs import read_harmonisation
from pipeline.mapping.map_layer import MapLayer, Strip
from pipeline.scenes.harmonise import harmonised
from pipeline.scenes.sensor_error import SensorError, ndvi_u95, sensor_errors
from pipeline.uncertainty.monte_carlo import variance_shares
from pipeline.uncertainty.pixel_error import index_errors
from pipeline.uncertainty.varying import Varying

U95 = 0.03


def adjusted_in(model, years):
    """The model where one adjusted sensor made the composites of ``years``, and an unadjusted one the others."""
    return replace(model, sensor_errors=tuple(SensorError("etm", year, U95 * (year in years)) for year in YEARS))


def test_the_error_of_a_local_fit_worked_by_hand():
    """RMSE .008 (red) and .016 (near infrared) on 4 days: s = .004, .008; at .10 and .30 2 sqrt(.0012^2 + .0008^2)
    / .16 = .018028, times 1.96."""
    assert ndvi_u95(0.008, 0.016, 4) == pytest.approx(0.018028 * 1.96, rel=1e-4)
    assert ndvi_u95(0.008, 0.016, 1) == pytest.approx(2 * ndvi_u95(0.008, 0.016, 4))


def test_a_sensor_counts_by_its_share_of_the_scenes_of_a_year():
    """2019: one of four scenes is adjusted; 2020: both; 2021: none, and it is told as 0."""
    scenes = [(2019, "etm", U95), *[(2019, "oli", 0.0)] * 3, (2020, "etm", U95), (2020, "etm", U95), (2021, "oli", 0.0)]
    found = sensor_errors(scenes, (2019, 2020, 2021))
    assert [(e.sensor, e.year, e.u95) for e in found] == [("etm", 2019, U95 / 4), ("etm", 2020, U95), ("etm", 2021, 0)]
    assert sensor_errors([(2021, "oli", 0.0)], (2021,)) == ()


def test_each_of_two_adjusted_sensors_counts_by_its_own_scenes():
    """One scene of each and one of neither: a third of .03 and a third of .06."""
    scenes = [(2019, "etm", 0.03), (2019, "gf-1", 0.06), (2019, "oli", 0.0)]
    found = {error.sensor: error.u95 for error in sensor_errors(scenes, (2019,))}
    assert found == pytest.approx({"etm": 0.01, "gf-1": 0.02})


def test_it_does_not_average_away_over_the_years_of_a_period(ecosystems):
    """Cover at index .4 between .10 and .75: .03 / 1.96 / .65, as for one year; none where the sensor is not in."""
    varying = Varying(adjusted_in(zone_model(ecosystems), BASELINE.years), SETTINGS, frozenset({"harmonisation"}))
    cover = [varying.response(np.array([0.4]), years)[1, 0] for years in ((2019,), BASELINE.years, CURRENT.years)]
    expected = U95 / Z95 / 0.65
    assert [c.std() for c in cover] == pytest.approx([expected, expected, 0], rel=0.05)
    assert np.corrcoef(cover[0], cover[1])[0, 1] == pytest.approx(1)


def test_a_sensor_of_all_years_is_no_error_of_the_sink_and_one_of_a_period_is(ecosystems):
    """Equal stocks then and now: what both dates share cancels."""
    both, then = (adjusted_in(zone_model(ecosystems), years) for years in (YEARS, BASELINE.years))
    shares = {which: variance_shares(drawn(model).by_cause[SINK]) for which, model in (("both", both), ("then", then))}
    assert shares["both"]["harmonisation"] == pytest.approx(0, abs=1e-12)
    assert shares["then"]["harmonisation"] > 0.3
    assert variance_shares(drawn(both).by_cause[STOCK])["harmonisation"] > 0
    assert "harmonisation" not in drawn(zone_model(ecosystems)).by_cause[STOCK]


def test_a_pixel_shares_it_between_dates_as_far_as_the_sensor_is_in_all_years(ecosystems):
    """An index of .4 at both dates. In all years it errs in the stock and not in the change; in the baseline alone it
    errs in the change by all of it."""
    model = zone_model(ecosystems)
    slope = np.gradient(model.responses["carbon_stock"].astype(float), 1e-4)[14_000] / Z95
    years = [*BASELINE.years, *CURRENT.years]
    pixel = np.full((len(years), 1, 1), 4000, "int16"), np.ones((len(years), 1, 1), "uint8")
    grid = GeoBox((1, 1), from_origin(500_000, 4_500_000, 10, 10), "EPSG:32649")

    def error(adjusted, layer):
        strip = Strip(adjusted, grid, np.ones((1, 1), "float32"), years, *pixel, np.zeros((len(years), 1, 1), bool))
        return strip.standard_error(layer, index_errors(adjusted)).item()

    sink, stock = MapLayer("sink", CURRENT, BASELINE), MapLayer("carbon_stock", CURRENT)
    plain, both, then = model, adjusted_in(model, YEARS), adjusted_in(model, BASELINE.years)
    assert error(both, stock) ** 2 - error(plain, stock) ** 2 == pytest.approx((slope * U95) ** 2, rel=1e-3)
    assert error(then, stock) == error(plain, stock)
    assert error(both, sink) == pytest.approx(error(plain, sink))
    change = slope * U95 * CO2_PER_C / model.years_between(BASELINE, CURRENT)
    assert error(then, sink) ** 2 - error(plain, sink) ** 2 == pytest.approx(change**2, rel=1e-3)


@pytest.mark.parametrize(("name", "platform", "sensor", "u95"), [
    ("roy2016", "landsat-7", "landsat-etm+", 0.03), ("hls_bandpass", "sentinel-2b", "sentinel-2", 0.005),
])  # fmt: skip
def test_a_scene_carries_the_error_of_its_rows(name, platform, sensor, u95):
    from test_harmonise import RED_NIR, scene

    found = harmonised(scene(platform, sensor), read_harmonisation(name), RED_NIR)
    assert found.like_u95 == u95
    assert scene(platform, sensor).like_u95 == 0


ROWS = """
- {set: a, from: sentinel-2, to: landsat-oli, band: red, slope: 1, intercept: 0, source: a, status: local, u95_ndvi: .1}
- {set: a, from: sentinel-2, to: landsat-oli, band: nir, slope: 1, intercept: 0, source: a, status: local, u95_ndvi: .1}
"""


def test_a_run_names_it_in_its_table_and_maps_it(tmp_path):
    """Rows that change no pixel: the stock stays and its interval and standard error grow; the sink of one sensor in
    all years shares less in it."""
    tables, errors = [], []
    for name in ("none", "rows.yaml"):
        world = World.at(tmp_path / name)
        (world.folder / "rows.yaml").write_text(ROWS)
        world.settings |= {"harmonise": name, "uncertainty": {"draws": 400}}
        world.write_config()
        run_here(world.config, world.out)
        with (world.results / "intervals.csv").open(encoding="utf-8-sig") as file:
            lines = {(r["zone_id"], r["quantity"], r["period"]): r for r in csv.DictReader(file)}
        tables.append(lines)
        with rasterio.open(world.results / "zones" / "G01" / "G01_carbon_stock_2023-2025.tif") as file:
            errors.append(file.read(2, masked=True).mean())
    stock, sink = (("G01", quantity, "2023-2025") for quantity in ("carbon_tC", "sink_tCO2_yr"))
    before, after = (table[stock] for table in tables)
    assert before["estimate"] == after["estimate"]
    assert before["share_harmonisation"] == ""
    assert float(after["share_harmonisation"]) > 0.02
    assert float(after["p97_5"]) - float(after["p2_5"]) > float(before["p97_5"]) - float(before["p2_5"])
    assert float(tables[1][sink]["share_harmonisation"]) < float(after["share_harmonisation"])
    assert errors[1] > errors[0]
