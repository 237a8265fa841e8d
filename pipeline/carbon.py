"""Carbon stock, stock difference, CO2 and area units. Pure functions on numbers and arrays."""

import numpy as np

CO2_PER_C = 44 / 12
"""t CO2 per t C (molar masses)."""

HA_PER_MU = 1 / 15
"""ha per 亩."""

HA_PER_WANMU = 10_000 / 15
"""ha per 万亩 (666.667)."""

T_HA_PER_G_M2 = 0.01
"""t/ha per g/m2."""


def stock_difference(stock_then, stock_now, years: float):
    """Mean yearly change of a carbon stock as a sink, (now - then) / years x 44/12, removal positive.

    Stocks in t C or t C/ha, ``years`` between the centres of the two periods; the result is in t CO2
    per year (or per ha and year). IPCC 2006 V4 eq 2.5.

    Raises ValueError unless ``years`` > 0.
    """
    if not years > 0:
        raise ValueError(f"a stock difference needs a later second date, not {years} years")
    return (np.asarray(stock_now) - np.asarray(stock_then)) * (CO2_PER_C / years)
