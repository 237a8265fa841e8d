"""Numbers that a product declares of itself."""

from math import isfinite


def number_or_none(given: object) -> float | None:
    """A value of the metadata as a number, None where it is none."""
    try:
        number = float(str(given))
    except ValueError:
        return None
    return number if isfinite(number) else None
