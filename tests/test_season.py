"""The season of a year: both ends count, in every year alike."""

from datetime import date

import pytest

from pipeline.scenes.season import PEAK


@pytest.mark.parametrize(
    ("day", "within"),
    [
        (date(2023, 7, 14), False),
        (date(2023, 7, 15), True),
        (date(2019, 8, 1), True),
        (date(2023, 8, 31), True),
        (date(2023, 9, 1), False),
        (date(2023, 6, 20), False),
    ],
)
def test_both_ends_are_in_the_season(day, within):
    assert PEAK.holds(day) is within


def test_it_says_its_days():
    assert str(PEAK) == "07-15 to 08-31"
    assert PEAK.ends(2024) == (date(2024, 7, 15), date(2024, 8, 31))
