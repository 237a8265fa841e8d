"""Realisations of zones: what is shared errs together, equal years give no sink, causes add up."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from pipeline.ecosystems.rows import Z95
from pipeline.stock.sketch import LEVELS, Sketch
from pipeline.stock.zone_model import Period, ZoneModel, stock
from pipeline.totals.comparability import Certificate
from pipeline.totals.group_totals import counted, group_rows
from pipeline.totals.intervals import INTERVAL_COLUMNS, add_intervals, interval_rows
from pipeline.totals.realisations import Realisations, realise
from pipeline.totals.zone_totals import year_rows, zone_row
from pipeline.uncertainty.monte_carlo import drawn as drawn_row
from pipeline.uncertainty.monte_carlo import interval, variance_shares
from pipeline.uncertainty.varying import CAUSES, DrawSettings, Varying
from pipeline.vegetation import EndMembers
from pipeline.zones.zone import Zone
from pipeline.zones.zone_stands import ZoneStands

SETTINGS = DrawSettings(count=4000, seed=1, area_u95_percent=3)
BASELINE, CURRENT = Period((2019, 2020, 2021)), Period((2023, 2024, 2025))
YEARS = [2019, 2020, 2021, 2023, 2024, 2025]


def sketch_at(*indices, observed=1.0):
    """A zone of 100 pixels, equally of these indices."""
    land = np.zeros(LEVELS.size)
    for index in indices:
        land[round(index * 1e4) + 10_000] += 100 * observed / len(indices)
    return Sketch(land, np.zeros(LEVELS.size), np.array([0, 0, 0, 100.0]), 100.0)


def zone_model(ecosystems, kind="grassland", stratum="typical_steppe", id="G01", stands=None, shift=0.0):
    square = shapely.box(shift, 0, shift + 3000, 3000)
    zone = Zone(id=id, name=id, ecosystem=kind, stratum=stratum, geometry=square, area_ha=900.0, declared_wanmu=None)
    return ZoneModel(zone, ecosystems[kind], EndMembers(0.10, 0.75), stands)


def sketches(then=(0.3, 0.4), now=(0.3, 0.4), observed=1.0):
    labels = {BASELINE.label: then, CURRENT.label: now}
    labels |= {str(year): then if year < 2022 else now for year in YEARS}
    return {label: sketch_at(*indices, observed=observed) for label, indices in labels.items()}


def drawn(model, found=None, settings=SETTINGS):
    return realise(model, found or sketches(), YEARS, BASELINE, CURRENT, settings, correlation=0.1)


STOCK, SINK = ("carbon_tC", CURRENT.label), ("sink_tCO2_yr", CURRENT.label)


def test_a_year_that_was_not_seen_has_no_part_in_date_and_error_of_its_period(ecosystems):
    """2020 and 2021 have half of what 2019 has: the baseline is of 2019.75, and its bias varies by the root of
    .5^2 + .25^2 + .25^2. Of 2019 alone there is no sink."""
    model = replace(zone_model(ecosystems), year_weights=((2019, 2.0), (2020, 1.0), (2021, 1.0)))
    assert model.weights(BASELINE.years).tolist() == [0.5, 0.25, 0.25]
    assert model.years_between(BASELINE, CURRENT) == pytest.approx(2024 - 2019.75)
    assert model.incomparable(BASELINE, CURRENT) is None
    at = (np.array([0.35]), BASELINE.years)
    only = Varying(model, replace(SETTINGS, count=20_000), frozenset({"index"})).response(*at)[0].std()
    even = Varying(zone_model(ecosystems), replace(SETTINGS, count=20_000), frozenset({"index"})).response(*at)[0].std()
    assert only / even == pytest.approx((0.375 * 3) ** 0.5, rel=0.05)
    alone = replace(model, year_weights=((2019, 2.0), (2020, 0.0), (2021, 0.0)))
    english, chinese = alone.incomparable(BASELINE, CURRENT)
    assert english == "a period was seen in 1.0 years only, 3 are needed"
    assert chinese == "时段仅1.0年有观测，少于3年"


def test_the_draws_lie_around_the_estimate(ecosystems):
    model = zone_model(ecosystems)
    estimate = stock(model, sketches()[CURRENT.label], CURRENT)["carbon_stock"] * 900
    found = interval(drawn(model).all[STOCK])
    assert found.mean == pytest.approx(estimate, rel=0.05)
    assert found.p2_5 < 0.6 * estimate
    assert found.p97_5 > 1.5 * estimate


def test_the_same_seed_gives_the_same_draws_and_another_does_not(ecosystems):
    model = zone_model(ecosystems)
    one, two = drawn(model).all[STOCK], drawn(model).all[STOCK]
    assert (one == two).all()
    assert (drawn(model, settings=replace(SETTINGS, seed=2)).all[STOCK] != one).any()


def test_equal_years_give_no_sink_and_an_interval_across_zero(ecosystems):
    found = interval(drawn(zone_model(ecosystems)).all[SINK])
    assert found.p2_5 <= 0 <= found.p97_5
    assert abs(found.median) < 0.1 * (found.p97_5 - found.p2_5)


def test_a_lasting_error_of_the_model_is_no_error_of_the_sink(ecosystems):
    """The stock is uncertain by its coefficients; equal stocks share them, so that the sink is so by its years."""
    shares = variance_shares(drawn(zone_model(ecosystems)).by_cause[SINK])
    assert shares["index"] + shares["residual"] > 0.99
    shares = variance_shares(drawn(zone_model(ecosystems)).by_cause[STOCK])
    assert shares["biomass_model"] + shares["root_shoot"] > 0.7


def test_shares_add_up_to_one_for_stock_and_sink(ecosystems):
    found = drawn(zone_model(ecosystems), sketches(now=(0.5, 0.6)))
    for quantity in (STOCK, SINK):
        assert sum(variance_shares(found.by_cause[quantity]).values()) == pytest.approx(1)
        assert set(found.by_cause[quantity]) <= set(CAUSES)


def test_zones_that_share_coefficients_do_not_average_their_error_away(ecosystems):
    one, two = (drawn(zone_model(ecosystems, id=name, shift=shift)) for name, shift in (("G01", 0), ("G02", 1e5)))
    single, both = (interval(part.all[STOCK]) for part in (one, Realisations.together([one, two], [900, 900])))
    relative = [(found.p97_5 - found.p2_5) / found.mean for found in (single, both)]
    assert relative[1] > 0.95 * relative[0]


COVER = ("fvc_mean", CURRENT.label)


def test_totals_of_zones_are_summed_and_means_weighted_by_area():
    """Three zones of 100, 300 and 50 ha, the last without a cover; causes of one zone alone count by its share."""
    one = Realisations(
        {STOCK: np.array([1.0, 2]), COVER: np.array([0.2, 0.4])}, {COVER: {"index": np.array([0.1, 0.3])}}
    )
    two = Realisations({STOCK: np.array([10.0, 30]), COVER: np.array([0.6, 0.8])}, {})
    three = Realisations({STOCK: np.array([5.0, 5])}, {STOCK: {"area": np.array([4.0, 6])}})
    found = Realisations.together([one, two, three], [100, 300, 50])
    np.testing.assert_allclose(found.all[STOCK], [16, 37])
    np.testing.assert_allclose(found.all[COVER], [0.25 * 0.2 + 0.75 * 0.6, 0.25 * 0.4 + 0.75 * 0.8])
    np.testing.assert_allclose(found.by_cause[COVER]["index"], [0.025, 0.075])
    np.testing.assert_allclose(found.by_cause[STOCK]["area"], [4, 6])


def test_the_cover_of_zones_that_share_their_error_is_as_uncertain_as_that_of_one(ecosystems):
    one, two = (drawn(zone_model(ecosystems, id=name)) for name in ("G01", "G02"))
    both = Realisations.together([one, two], [900, 100])
    np.testing.assert_allclose(both.all[COVER], one.all[COVER])
    assert variance_shares(both.by_cause[COVER]) == pytest.approx(variance_shares(one.by_cause[COVER]))


def test_a_zone_keeps_the_root_of_the_correlation_of_its_pixels_residual(ecosystems):
    """Points that correlate by .1 leave sqrt(.1) of a pixel's residual; of it the part that stays is that of every
    year, the rest is averaged over three."""
    model = zone_model(ecosystems)
    rows = model.coefficients
    stays = rows["residual_persistence"].value
    draws = drawn(model).by_cause[STOCK]["residual"]
    expected = rows["residual"].half_width / Z95 * np.sqrt(0.1 * (stays + (1 - stays) / 3))
    assert draws.std() / draws.mean() == pytest.approx(expected, rel=0.05)


def test_ground_that_was_not_seen_errs_by_its_share_of_the_spread_between_pixels(ecosystems):
    """Half the pixels hold a, half b: their standard deviation is |a - b| / 2, and .4 of the zone is taken from it."""
    model = zone_model(ecosystems)
    draws = drawn(model, sketches(then=(0.15, 0.6), now=(0.15, 0.6), observed=0.6)).by_cause[STOCK]["observation"]
    a, b = (stock(model, sketch_at(index), CURRENT)["carbon_stock"] for index in (0.15, 0.6))
    assert draws.std() == pytest.approx(0.4 * abs(a - b) / 2 * 900, rel=0.05)
    whole = drawn(model, sketches(then=(0.15, 0.6), now=(0.15, 0.6))).by_cause[STOCK]
    assert np.ptp(whole["observation"]) == 0  # the very same number in all draws


def test_the_stock_of_stands_errs_by_their_area_of_4_percent(ecosystems):
    model = zone_model(ecosystems, "forest", "larch_middle", "F01", stands_of([60.0, 30.0], [70.0, 36.0]))
    draws = drawn(model).by_cause[STOCK]["area"]
    assert Z95 * draws.std() / draws.mean() == pytest.approx(0.04, rel=0.05)


def test_a_fifth_of_the_draws_takes_the_square_of_the_cover(ecosystems):
    """At an index of .425 the linear cover is .5 and that of Carlson & Ripley .25."""
    model, half = zone_model(ecosystems, stratum="typical_steppe"), sketches(then=(0.425,), now=(0.425,))
    draws = drawn(model, half, replace(SETTINGS, carlson_ripley_chance=0.2)).by_cause[("fvc_mean", CURRENT.label)]
    assert np.mean(draws["cover_model"] < 0.375) == pytest.approx(0.2, abs=0.03)


def test_the_cover_of_ground_not_seen_errs_by_the_spread_between_pixels(ecosystems):
    """Indices .3 and .5 are covers .2 and .4 of .65, .31 and .62: a spread of .1 / .65. It counts by the .6 unseen."""
    found = drawn(zone_model(ecosystems), sketches(now=(0.3, 0.5), observed=0.4))
    assert found.by_cause[COVER]["observation"].std() == pytest.approx(0.6 * 0.1 / 0.65, rel=0.05)


def test_a_zone_without_an_observation_has_no_realisation(ecosystems):
    nothing = {label: sketch_at(0.3, observed=0.0) for label in sketches()}
    assert drawn(zone_model(ecosystems), nothing).all == {}


def stands_of(first, last):
    return ZoneStands(
        geometry=np.array([shapely.box(0, 0, 1000, 3000), shapely.box(1000, 0, 3000, 3000)]),
        species=["larch", "birch"],
        area_ha=np.array([300.0, 600.0]),
        volume_m3_ha={2019: np.array(first), 2025: np.array(last)},
    )


def test_a_forest_by_stands_errs_by_expansion_and_volume(ecosystems):
    model = zone_model(ecosystems, "forest", "larch_middle", "F01", stands_of([60.0, 30.0], [70.0, 36.0]))
    found = drawn(model)
    estimate = stock(model, sketches()[CURRENT.label], CURRENT)["carbon_stock"] * 900
    assert interval(found.all[STOCK]).mean == pytest.approx(estimate, rel=0.05)
    shares = variance_shares(found.by_cause[STOCK])
    assert shares["expansion"] + shares["stand_volume"] + shares["root_shoot"] > 0.9
    assert variance_shares(found.by_cause[SINK])["stand_volume"] > 0.5


def test_a_draw_of_the_expansion_moves_no_stand_to_other_roots(ecosystems):
    """40 m3/ha of birch hold 40 x 1.4 = 56 t/ha above ground; R is .46 up to 75 t/ha and .23 above, whatever the
    expansion is drawn as: the stock goes with it."""
    stands = replace(stands_of([40.0, 40.0], [40.0, 40.0]), species=["birch", "birch"])
    forest = ecosystems["forest"]
    table = forest.species["birch"].bcef
    _, as_listed = stands.stock(forest, 2019)
    for factor in (0.8, 1.3, 1.4):
        changed = forest.bcef | {table: forest.bcef[table].with_value(factor)}
        _, carbon = stands.stock(forest.model_copy(update={"bcef": changed}), 2019)
        assert carbon == pytest.approx(as_listed * factor)


def test_with_stands_the_cover_has_the_causes_of_the_index(ecosystems):
    model = zone_model(ecosystems, "forest", "larch_middle", "F01", stands_of([60.0, 30.0], [70.0, 36.0]))
    shares = variance_shares(drawn(model).by_cause[COVER])
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= {"index", "end_members", "cover_model", "observation"}


@pytest.mark.parametrize("years", [(2020,), (2005, 2010), (2026, 2028)])
def test_inventories_that_do_not_span_both_periods_give_a_stock_and_no_sink(ecosystems, years):
    stands = replace(
        stands_of([60.0, 30.0], [70.0, 36.0]), volume_m3_ha={year: np.array([60.0, 30.0]) for year in years}
    )
    found = drawn(zone_model(ecosystems, "forest", "larch_middle", "F01", stands))
    assert STOCK in found.all
    assert SINK not in found.all
    assert SINK not in found.by_cause


def test_the_volume_of_stands_is_that_of_its_date_and_errs_by_inventory_and_area(ecosystems):
    """300 ha x 68.333 + 600 ha x 35 m3/ha in 2024, the middle of the period: five sixths of the way from 2019 to 2025.
    The half-widths of 15 % (volume) and 4 % (area) add up in squares."""
    model = zone_model(ecosystems, "forest", "larch_middle", "F01", stands_of([60.0, 30.0], [70.0, 36.0]))
    volume = ("volume_m3", CURRENT.label)
    assert model.volume_m3(CURRENT) == pytest.approx(300 * (60 + 50 / 6) + 600 * 35)
    found = drawn(model)
    draws = found.all[volume]
    assert draws.mean() == pytest.approx(model.volume_m3(CURRENT), rel=0.01)
    assert 1.96 * draws.std() / draws.mean() == pytest.approx(np.hypot(0.15, 0.04), rel=0.06)
    shares = variance_shares(found.by_cause[volume])
    assert shares == pytest.approx({"stand_volume": 225 / 241, "area": 16 / 241}, abs=0.02)
    assert zone_model(ecosystems).volume_m3(CURRENT) is None
    assert volume not in drawn(zone_model(ecosystems)).all


def test_the_area_of_a_zone_errs_by_its_half_width(ecosystems):
    """3 % of the area alone are 3 % of the stock, 95 % of the draws within."""
    alone = drawn(zone_model(ecosystems)).by_cause[STOCK]["area"]
    assert 1.96 * alone.std() / alone.mean() == pytest.approx(0.03, rel=0.06)


@pytest.mark.parametrize("edges", [None, (33.0, 101.5)])
def test_stands_summed_up_by_species_and_volume_hold_the_same(ecosystems, edges):
    """Also with a table of one's own, whose edges are no multiples of the steps of volume."""
    forest = ecosystems["forest"]
    if edges:
        own = {
            name: row.model_copy(update={"edges": edges, "values": (1.6, 1.1, 0.7)})
            for name, row in forest.bcef.items()
        }
        forest = forest.model_copy(update={"bcef": own})
    rng = np.random.default_rng(5)
    count = 400
    stands = ZoneStands(
        geometry=np.empty(count, object),
        species=[str(name) for name in rng.choice(["larch", "birch", "chinese_pine"], count)],
        area_ha=rng.uniform(1, 40, count),
        volume_m3_ha={2019: rng.uniform(5, 250, count), 2025: rng.uniform(5, 250, count)},
    )
    few = stands.grouped(forest)
    assert len(few.species) < count * 0.6
    for date in (2019, 2022, 2025):
        whole, summed = ((part.area_ha * part.stock(forest, date)[1]).sum() for part in (stands, few))
        assert summed == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("edge", [20.0, 40.0, 100.0])
def test_stands_at_the_edge_of_a_bin_are_summed_up_within_it(ecosystems, edge):
    """The mean of equal volumes may differ from them in the last digit: at 20.000000000000004 m3/ha elm has the factor
    1.7 in place of 3."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        areas = rng.uniform(1, 50, 3).round(1)
        stands = ZoneStands(np.empty(3, object), ["elm"] * 3, areas, {2020: np.full(3, edge), 2024: np.full(3, edge)})
        whole, summed = ((s.area_ha * s.stock(ecosystems["forest"], 2024)[1]).sum()
                         for s in (stands, stands.grouped(ecosystems["forest"])))  # fmt: skip
        assert summed == pytest.approx(whole, rel=1e-12)


def rows_of(ecosystems, models, found):
    rows = [
        zone_row(model, sketches(now=(0.5, 0.6)), BASELINE, CURRENT, 0.5, Certificate("comparable")) for model in models
    ]
    alone = [counted(row, 0.5) for row in rows]
    rows += group_rows(alone, ecosystems)
    return rows, add_intervals(found, rows, alone, [], CURRENT.label)


def test_a_vegetation_type_that_the_boundaries_do_not_give_is_said(ecosystems):
    model = zone_model(ecosystems)
    unsaid = replace(model, zone=replace(model.zone, stratum_given=False))
    given, taken = rows_of(ecosystems, [model, unsaid], {})[0][:2]
    assert (given["status"], given["status_zh"]) == ("ok", "正常")
    assert taken["status"] == "ok; vegetation type not given, taken as typical_steppe"
    assert taken["status_zh"] == "正常；植被类型未给出，按典型草原计"


def test_the_result_table_gets_its_intervals(ecosystems):
    models = [zone_model(ecosystems, id=name, shift=shift) for name, shift in (("G01", 0), ("G02", 1e5))]
    found = {model.zone.id: drawn(model, sketches(now=(0.5, 0.6))) for model in models}
    rows, table = rows_of(ecosystems, models, found)
    for row in rows:
        assert row["carbon_tC_low95"] < row["carbon_tC"] < row["carbon_tC_high95"]
        assert row["carbon_tC_low95"] < row["carbon_tC_conservative"] < row["carbon_tC"]
        assert (row["sink_finding"], row["sink_finding_zh"]) == ("gain", "碳增加")
    assert {line["level"] for line in table} == {"zone", "ecosystem", "city"}
    assert all(set(line) == set(INTERVAL_COLUMNS) for line in table)
    city = next(line for line in table if line["level"] == "city" and line["quantity"] == "carbon_tC")
    assert city["estimate"] == pytest.approx(rows[0]["carbon_tC"] + rows[1]["carbon_tC"])


def test_a_zone_that_a_group_does_not_count_has_no_part_in_its_cover_of_a_single_year(ecosystems):
    """NDVI .3 and .6 between end-members of .10 and .75: covers of .2 / .65 and, too little seen, .5 / .65."""
    year = Period((2023,))
    seen = {"G01": {year.label: sketch_at(0.3)}, "G02": {year.label: sketch_at(0.6, observed=0.4)}}
    models = [zone_model(ecosystems, id=name) for name in seen]
    found = {m.zone.id: realise(m, seen[m.zone.id], [2023], None, year, SETTINGS, 0.1) for m in models}
    rows = [zone_row(model, seen[model.zone.id], None, year, 0.5, None) for model in models]
    by_year = [row for model in models for row in year_rows(model, seen[model.zone.id], [2023], 0.5)]
    alone = [counted(row, 0.5) for row in rows]
    groups = group_rows(alone, ecosystems)
    table = add_intervals(found, groups, alone, by_year, year.label)
    for group in groups:
        line = next(x for x in table if (x["zone_id"], x["quantity"]) == (group["zone_id"], "fvc_mean"))
        assert line["estimate"] == pytest.approx(0.2 / 0.65, abs=1e-4) == group["fvc_mean"]
        assert group["fvc_mean_high95"] == pytest.approx(np.percentile(found["G01"].all["fvc_mean", "2023"], 97.5))


def test_an_interval_row_tells_its_shares(ecosystems):
    line = interval_rows("zone", "G01", drawn(zone_model(ecosystems)).only([STOCK]), {STOCK: 1.0})[0]
    shares = [line[f"share_{cause}"] for cause in CAUSES if line[f"share_{cause}"] is not None]
    assert sum(shares) == pytest.approx(1)
    assert line["p2_5"] < line["p5"] == line["conservative"] < line["median"] < line["p95"] < line["p97_5"]


def test_shipped_end_members_stay_in_their_valid_range(ecosystems):
    """Soil of a reed bed: .05 +- .20, valid from .03 to .25. Without that end the draws would reach an index below 0,
    and the cover of a pixel at .25 could not be drawn as none."""
    model = replace(
        zone_model(ecosystems, "wetland", "reed", "W01"), end_members=EndMembers(0.05, 0.82), shipped_end_members=True
    )
    soil = Varying(model, SETTINGS, frozenset({"end_members"})).response(np.array([0.029, 0.15, 0.251]))[1]
    assert (soil[0] == 0).all()
    assert 0.2 < (soil[1] == 0).mean() < 0.5
    assert (soil[2] > 0).all()


def test_how_much_of_a_residual_stays_is_uncertain_itself(ecosystems):
    """The passing part of equal volumes makes their difference, sqrt(1 - p) of the error: of .8 +- .2 its kurtosis is
    3 E[(1 - p)^2] / E[1 - p]^2, above the 3 of a p that is known."""
    settings = replace(SETTINGS, count=40_000)
    stands = stands_of([60.0, 30.0], [60.0, 30.0])
    model = zone_model(ecosystems, "forest", "larch_middle", "F01", stands)
    varying = Varying(model, settings, frozenset({"stand_volume"}))
    then, now = (varying.stand_density(stands, period)[0] for period in (BASELINE, CURRENT))
    change = (now - then) / (now - then).std()
    left = 1 - varying.persistence
    assert (change**4).mean() == pytest.approx(3 * (left**2).mean() / left.mean() ** 2, rel=0.1)
    assert (change**4).mean() > 3.3
    assert 0.6 < np.percentile(varying.persistence, 2.5) < 0.65
    assert varying.persistence.max() <= 1


def test_calibrated_end_members_stay_in_the_valid_range_of_their_stratum(ecosystems):
    """Calibrated soil of .05 with a half-width of .10 reached below 0, the index of water; reed's soil is at least
    what its row says."""
    model = replace(zone_model(ecosystems, "wetland", "reed", "W01"), end_members=EndMembers(0.05, 0.70))
    low = ecosystems["wetland"].strata["reed"].soil_index.valid[0]
    soil = drawn_row(model.end_member_rows[0], np.random.default_rng(1).standard_normal(10_000))
    assert low <= soil.min() < low + 0.01
    other = replace(model, end_members=EndMembers(0.05, 0.70, index="kndvi"))
    assert other.end_member_rows[0].valid == (-1, 1)
