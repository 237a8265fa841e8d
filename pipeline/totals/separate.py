"""Numbers that are given beside the totals and never added to them: gain and loss by increment, methane, inundation,
the share of a zone beyond the range of its biomass model, and its share of shrub. Pure."""

from collections.abc import Collection

from pipeline.carbon import CO2_PER_C
from pipeline.ecosystems import Wetland, coefficients, with_values
from pipeline.ecosystems.rows import Z95
from pipeline.stock.sketch import FIRST_PART, INDEX, Sketch
from pipeline.stock.zone_model import ZoneModel
from pipeline.uncertainty.monte_carlo import Draws, drawn, interval
from pipeline.uncertainty.varying import DrawSettings
from pipeline.zones.zone import Zone

SEPARATE_COLUMNS: dict[str, tuple[str, str]] = {
    "zone_id": ("Zone", "片区编号"),
    "name_zh": ("Name", "片区名称"),
    "ecosystem": ("Ecosystem", "生态系统"),
    "clamped_fraction": (
        "Fraction of the observed area beyond the calibrated range of the biomass model",
        "超出生物量模型标定范围的面积比例",
    ),
    "shrub_fraction": ("Fraction of the observed area that is counted as shrub", "按灌木计的面积比例"),
    "inundated_fraction": ("Open water's fraction of the observed area", "淹水（开阔水面）面积比例"),
    "gain_tC_yr": ("Biomass carbon gain by volume increment, t C per year", "生长量法碳增量(吨碳/年)"),
    "loss_tC_yr": ("Biomass carbon loss by volume decrease, t C per year", "蓄积减少碳损失(吨碳/年)"),
    "gain_loss_tC_yr": (
        "Gain less loss, t C per year; not to be added to the sink",
        "生长量法碳净变化（吨碳/年，不与碳汇相加）",
    ),
    "gain_loss_tCO2_yr": (
        "Gain less loss by volume increment, t CO2 per year; not to be added to the sink",
        "生长量法（吨CO2/年，另一口径，不相加）",
    ),
    "methane_tCO2e_yr": ("Methane emission, t CO2e per year; not in the sink", "甲烷排放（吨CO2当量/年，未计入碳汇）"),
    "methane_tCO2e_yr_low95": ("Lower end of its 95 % interval", "甲烷排放95%区间下限(吨CO2当量/年)"),
    "methane_tCO2e_yr_high95": ("Upper end of its 95 % interval", "甲烷排放95%区间上限(吨CO2当量/年)"),
}
"""Columns of the table in order: English and Chinese title."""


def separate_rows(
    zones: list[tuple[ZoneModel, Sketch]], with_volume: Collection[str], settings: DrawSettings | None
) -> list[dict]:
    """One row a zone, keys `SEPARATE_COLUMNS`, from its model and its sketch of the current period; what does not apply
    is None. Increments are given for the zones ``with_volume``; with an impossible volume they are withheld.
    ``settings`` are those of the draws, None for no intervals."""
    return [_row(model, sketch, model.zone.id in with_volume, settings) for model, sketch in zones]


def _row(model: ZoneModel, sketch: Sketch, has_volume: bool, settings: DrawSettings | None) -> dict:
    zone, ecosystem = model.zone, model.ecosystem
    row = dict.fromkeys(SEPARATE_COLUMNS) | {"zone_id": zone.id, "name_zh": zone.name, "ecosystem": zone.ecosystem}
    if model.stands is None and sketch.observed:
        clamped = ecosystem.clamped(INDEX, zone.stratum)
        row["clamped_fraction"] = sketch.mean(clamped * FIRST_PART)
        row["shrub_fraction"] = sketch.shrub_fraction if model.shrub else None
    if isinstance(ecosystem, Wetland):
        row["inundated_fraction"] = sketch.water_fraction if sketch.observed else None
        row |= _methane(zone, ecosystem, settings)
    if has_volume and len(model.stands.volume_m3_ha) > 1:
        gain, loss = model.stands.gain_loss(ecosystem)
        row |= {"gain_tC_yr": gain, "loss_tC_yr": loss, "gain_loss_tC_yr": gain - loss}
        row["gain_loss_tCO2_yr"] = row["gain_loss_tC_yr"] * CO2_PER_C
    return row


def _methane(zone: Zone, wetland: Wetland, settings: DrawSettings | None) -> dict:
    """Methane and its interval by the errors of flux, GWP and area, the latter the same as in the zone's stock."""
    found = {"methane_tCO2e_yr": wetland.methane_t_co2e(zone.area_ha)}
    if wetland.methane is None or settings is None:
        return found
    draws, rows = Draws(settings.seed, settings.count), coefficients(wetland)
    varied = with_values(
        wetland, {path: drawn(rows[path], draws.of("wetland", path)) for path in ("methane.flux", "methane.warming")}
    )
    area = zone.area_ha * (1 + settings.area_u95_percent / 100 / Z95 * draws.of("area", zone.id))
    ends = interval(varied.methane_t_co2e(area))
    return found | {"methane_tCO2e_yr_low95": ends.p2_5, "methane_tCO2e_yr_high95": ends.p97_5}
