"""The days of each year from which scenes are taken. Pure."""

from datetime import date
from typing import NamedTuple


class Season(NamedTuple):
    """From ``first`` to ``last``, both a month and a day of every year and both included."""

    first: tuple[int, int]
    last: tuple[int, int]

    def __str__(self) -> str:
        return " to ".join(f"{month:02}-{day:02}" for month, day in self)

    def holds(self, day: date) -> bool:
        """Whether the day lies in the season of its year."""
        return self.first <= (day.month, day.day) <= self.last

    def ends(self, year: int) -> tuple[date, date]:
        """The first and the last day of a year's season."""
        return date(year, *self.first), date(year, *self.last)


PEAK = Season((7, 15), (8, 31))
"""Where the configuration names no season: the peak of growth, late July and August."""
