"""What maps and tables say of their figures. Pure."""

import re
from collections.abc import Iterable

from pipeline.ecosystems import Ecosystem

SIMULATED = "示意，模拟数据 (schematic, simulated)"
NOT_CREDITABLE = "遥感估算，不作为交易依据 (remote-sensing estimate, not creditable)"

HYPHEN_MINUS = r"(^|[^0-9A-Za-z])-(?=[0-9])"
"""The minus of a number in the words of a table, which keep to what GBK can write."""


def note_of(simulated: bool, ecosystems: Iterable[Ecosystem]) -> str:
    """What is said, in Chinese and English, of figures of these ecosystems, one by one or summed."""
    excluded = [ecosystem.excluded for ecosystem in ecosystems if ecosystem.excluded]
    return "；".join([*([SIMULATED] if simulated else []), NOT_CREDITABLE, *excluded])


def true_minus(text: str) -> str:
    """Words of a table with true minus signs before their numbers: ranges (9-15) and names keep the hyphen."""
    return re.sub(HYPHEN_MINUS, r"\1−", text)
