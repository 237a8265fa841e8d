"""The count of how often intervals hold the truth, on a few worlds: that it counts, and would show an interval too
narrow. The rates themselves are those of ``bench/worlds.py``, over many."""

import numpy as np
import pytest

import bench.worlds
from bench.worlds import BASELINE, CURRENT, PLACES, World, binomial_interval, count, report
from pipeline.carbon import stock_difference
from pipeline.stock.zone_model import stock


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.id)
def test_in_a_world_without_errors_the_estimate_is_the_truth(place):
    case = World((3, 0), errors=False).case(place)
    then, now = (
        stock(case.model, case.sketches[period.label], period)["carbon_stock"] * case.model.zone.area_ha
        for period in (BASELINE, CURRENT)
    )
    assert now == pytest.approx(case.truth["carbon_tC"], rel=1e-3)
    cover = stock(case.model, case.sketches[CURRENT.label], CURRENT)["fvc"]
    assert cover == pytest.approx(case.truth["fvc_mean"], abs=1e-3)
    sink = float(stock_difference(then, now, case.model.years_between(BASELINE, CURRENT)))
    assert sink == pytest.approx(case.truth["sink_tCO2_yr"], rel=1e-2, abs=2e-3 * now)
    assert case.model.volume_m3(CURRENT) == case.truth.get("volume_m3")


def test_what_zones_share_is_the_same_truth_in_all_of_them_and_another_in_another_world():
    """Two zones of larch and of one expansion table: true over estimated stock differs by their areas, and where the
    error of the inventory moved stands to another bin of the roots."""
    ratios = []
    for number in range(3):
        world = World((1, number))
        cases = [world.case(place) for place in PLACES if place.stands]
        ratios.append([
            case.truth["carbon_tC"] / (stock(case.model, case.sketches[CURRENT.label], CURRENT)["carbon_stock"]
            * case.model.zone.area_ha) for case in cases
        ])  # fmt: skip
    one, two = np.transpose(ratios)
    np.testing.assert_allclose(one, two, rtol=0.15)
    assert np.ptp(one) > 0.1


@pytest.fixture(scope="module")
def held():
    return count(worlds=16, draws=300)


def test_intervals_of_a_few_worlds_hold_the_truth_about_as_often_as_they_say(held):
    """16 worlds x 12 groups: the groups share their errors, so that the rate is known to some 10 %."""
    for quantity in ("carbon_tC", "sink_tCO2_yr"):
        of_90, of_95, above = np.mean([worlds for key, worlds in held.items() if key[1] == quantity], axis=(0, 1))
        assert 0.75 < of_90 <= of_95
        assert 0.25 < above < 0.75


def test_intervals_too_narrow_are_found_out(monkeypatch, held):
    """Of draws that are pulled to a fifth of their distance from the median, the 95 % interval is some +-.4 standard
    deviations wide, which holds the truth in about three worlds of ten."""
    honest = bench.worlds.interval
    monkeypatch.setattr(
        bench.worlds, "interval", lambda draws: honest(np.median(draws) + (draws - np.median(draws)) / 5)
    )
    narrow = count(worlds=16, draws=300)
    rates = [np.mean(list(found.values()), axis=(0, 1))[1] for found in (narrow, held)]
    assert rates[0] < 0.6 < rates[1]


def test_the_interval_of_a_rate_is_the_exact_one():
    """Clopper & Pearson: of 10 trials none, 0 to 1 - .025^(1/10); of 200 trials 180, .8498 to .9378."""
    assert binomial_interval(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert binomial_interval(180, 200) == pytest.approx((0.8498, 0.9378), abs=1e-4)
    assert binomial_interval(10, 10) == pytest.approx((0.025**0.1, 1))


def test_the_report_marks_a_rate_that_is_off():
    always, half = [(True, True, True)] * 100, [(True, True, above) for above in (True, False)] * 50
    lines = report({("a", "carbon_tC"): always, ("b", "carbon_tC"): half})
    first, second = lines.splitlines()[1:]
    assert first.count("*") == 3
    assert "50.0%" in second
