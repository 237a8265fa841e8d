"""What maps and tables say of their figures. Pure."""

from collections.abc import Iterable

from pipeline.ecosystems import Ecosystem

SIMULATED = "示意，模拟数据 (schematic, simulated)"
NOT_CREDITABLE = "遥感估算，不作为交易依据 (remote-sensing estimate, not creditable)"


def note_of(simulated: bool, ecosystems: Iterable[Ecosystem]) -> str:
    """What is said, in Chinese and English, of figures of these ecosystems, one by one or summed."""
    excluded = [ecosystem.excluded for ecosystem in ecosystems if ecosystem.excluded]
    return "；".join([*([SIMULATED] if simulated else []), NOT_CREDITABLE, *excluded])
