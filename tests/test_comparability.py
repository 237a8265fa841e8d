"""The certificate of two periods: comparable, with conditions, or not, and the reasons."""

from dataclasses import replace
from datetime import date

import pytest

from pipeline.totals.comparability import PeriodFacts, certify

DAYS = frozenset({date(2019, 7, 20), date(2020, 8, 9), date(2021, 8, 20)})  # days 201, 222 and 232
GOOD = PeriodFacts("2019-2021", 0.98, 4.0, frozenset({"sentinel-2"}), DAYS, False)
NOW = replace(GOOD, label="2023-2025")


def test_two_like_periods_compare():
    certificate = certify(GOOD, NOW, 0.5)
    assert (certificate.verdict, certificate.verdict_zh, certificate.reasons) == ("comparable", "可比", ())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clear_per_year": 6.5}, "clear observations a year differ, 4.0 / 6.5, and the maximum of more is higher"),
        ({"clear_per_year": 2.5}, "clear observations a year differ, 4.0 / 2.5"),
        ({"observed_fraction": 0.8}, "98% / 80%"),
        ({"sensors": frozenset({"sentinel-2", "landsat"})}, "not harmonised, sentinel-2 / landsat + sentinel-2"),
        ({"days": frozenset({date(2023, 8, 17)})}, "other days of the season, on average 08-06 / 08-17"),
        ({"days": frozenset({date(2023, 7, 26)})}, "on average 08-06 / 07-26"),
        ({"declared_scale": True}, "declared by hand"),
    ],
)
def test_a_doubt_is_a_condition_with_its_reason(change, reason):
    certificate = certify(GOOD, replace(NOW, **change), 0.5)
    assert certificate.verdict == "conditional"
    assert reason in certificate.reasons[0]
    assert len(certificate.reasons_zh) == len(certificate.reasons) == 1
    turned_round = certify(replace(NOW, **change), GOOD, 0.5)
    assert (turned_round.verdict, len(turned_round.reasons)) == ("conditional", 1)


def test_periods_that_mix_the_same_sensors_are_conditional_too():
    """Two years of one and one of the other against one and two: their shares differ, which no set of names tells."""
    mixed = frozenset({"landsat-etm+", "landsat-oli"})
    certificate = certify(replace(GOOD, sensors=mixed), replace(NOW, sensors=mixed), 0.5)
    assert certificate.verdict == "conditional"
    assert "not harmonised, landsat-etm+ + landsat-oli / landsat-etm+ + landsat-oli" in certificate.reasons[0]


def test_a_median_takes_no_harm_from_more_observations_but_from_too_few():
    many, few = (replace(NOW, clear_per_year=count) for count in (9.0, 1.5))
    assert certify(GOOD, many, 0.5, by_maximum=False).verdict == "comparable"
    assert certify(GOOD, replace(NOW, clear_per_year=6.0), 0.5).verdict == "comparable"
    (reason,) = certify(GOOD, few, 0.5, by_maximum=False).reasons
    assert reason == "1.5 clear observations a year in 2023-2025, fewer than 2"


def test_days_apart_by_ten_or_less_compare():
    """The mean of days 201, 222 and 232 is 218.3: ten days and a bit on is day 228.4, eleven are too many."""
    assert GOOD.day_of_year == pytest.approx(218 + 1 / 3)
    assert certify(GOOD, replace(NOW, days=frozenset({date(2023, 8, 16)})), 0.5).verdict == "comparable"  # day 228
    assert certify(GOOD, replace(NOW, days=frozenset({date(2023, 8, 17)})), 0.5).verdict == "conditional"


def test_too_little_seen_does_not_compare_and_doubts_are_beside_the_point():
    certificate = certify(replace(GOOD, observed_fraction=0.4, clear_per_year=1), NOW, 0.5)
    assert (certificate.verdict, certificate.verdict_zh) == ("not comparable", "不可比")
    assert certificate.reasons == ("40% observed in 2019-2021",)


def test_what_the_method_refuses_does_not_compare():
    certificate = certify(GOOD, NOW, 0.5, refused=("a period has 1 years, 3 are needed", "时段仅1年"))
    assert certificate.verdict == "not comparable"


def test_stands_compare_whatever_the_clouds_do():
    unseen = replace(NOW, observed_fraction=0.0, clear_per_year=0)
    assert certify(GOOD, unseen, 0.5, by_inventory=True).verdict == "comparable"
