"""The certificate of two periods: comparable, with conditions, or not, and the reasons."""

from dataclasses import replace

import pytest

from pipeline.comparability import PeriodFacts, certify

GOOD = PeriodFacts("2019-2021", 0.98, 4.0, frozenset({"sentinel-2"}), False)
NOW = replace(GOOD, label="2023-2025")


def test_two_like_periods_compare():
    certificate = certify(GOOD, NOW, 0.5)
    assert (certificate.verdict, certificate.verdict_zh, certificate.reasons) == ("comparable", "可比", ())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clear_per_year": 1.5}, "1.5 clear observations a year in 2023-2025"),
        ({"observed_fraction": 0.8}, "98% / 80%"),
        ({"sensors": frozenset({"sentinel-2", "landsat"})}, "not harmonised, sentinel-2 / landsat + sentinel-2"),
        ({"declared_scale": True}, "declared by hand"),
    ],
)
def test_a_doubt_is_a_condition_with_its_reason(change, reason):
    certificate = certify(GOOD, replace(NOW, **change), 0.5)
    assert certificate.verdict == "conditional"
    assert reason in certificate.reasons[0]
    assert len(certificate.reasons_zh) == len(certificate.reasons) == 1


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
