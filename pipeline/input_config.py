"""The part of the configuration that says where the inputs are and on which grid they are read."""

from calendar import monthrange
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.ecosystems import Frozen
from pipeline.season import PEAK, Season

EcosystemName = Literal["forest", "grassland", "wetland"]


def _years(value: object) -> object:
    """2024, [2019, 2021] or "2019-2025" (both ends included) as a tuple of years."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        first, dash, last = value.partition("-")
        if first.strip().isdigit() and (last.strip().isdigit() or not dash):
            if int(last or first) < int(first):
                raise ValueError("the first year comes before the last")
            return tuple(range(int(first), int(last or first) + 1))
        raise ValueError("years are written 2024, 2019-2025 or [2019, 2021]")
    return value


EVERY_DAY = frozenset((month, day) for month in range(1, 13) for day in range(1, monthrange(2023, month)[1] + 1))
"""Days that every year has: the 29th of February is none."""


def _month_day(value: object) -> object:
    if isinstance(value, str):
        month, _, day = value.partition("-")
        if month.isdigit() and day.isdigit() and (int(month), int(day)) in EVERY_DAY:
            return (int(month), int(day))
    raise ValueError('a day of the season is written "MM-DD", such as "07-15"')


def _season(ends: tuple[tuple[int, int], tuple[int, int]]) -> Season:
    if ends[0] > ends[1]:
        raise ValueError("the season begins before it ends, within one year")
    return Season(*ends)


def _distinct(years: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(years)) < len(years):
        raise ValueError("a year is named twice")
    return tuple(sorted(years))


YEARS_WRITTEN = [
    {"type": "integer"},
    {"type": "string", "pattern": r"^\s*\d{4}\s*(-\s*\d{4}\s*)?$"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
]
Years = Annotated[
    tuple[int, ...], BeforeValidator(_years), Field(min_length=1), AfterValidator(_distinct),
    WithJsonSchema({"anyOf": YEARS_WRITTEN}),
]  # fmt: skip
MonthDay = Annotated[
    tuple[int, int], BeforeValidator(_month_day), WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}-\d{1,2}$"})
]


CLASS_WORDS = {
    "forest": ("forest", "林地", "森林", "林"),
    "grassland": ("grassland", "草地", "草原", "草"),
    "wetland": ("wetland", "湿地"),
}
CONTRACT = {"forest": 12, "grassland": 5, "wetland": 5}
"""Zones of the city's plan."""


class StacApi(Frozen):
    """A STAC API that is searched for scenes over the zones; ``cloud_below`` in percent, by the items' own account."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    collections: Annotated[tuple[str, ...], Field(min_length=1)]
    cloud_below: Annotated[float, Field(gt=0, le=100)] | None = None


MAX_MEGAPIXELS = 2000
"""Scenes of any sensor are smaller."""


class Scenes(Frozen):
    """Where the scenes are, and which count: a ``path`` (folder of products, STAC catalogue, manifest) or an ``api``.

    ``remote`` lets pixels come from elsewhere: files in GDAL's virtual file systems, and what the API's items have on a
    server, downloaded once into the run's folder. A raster of more than ``max_megapixels`` is refused.
    """

    path: Path | None = None
    api: StacApi | None = None
    years: Years
    season: Annotated[tuple[MonthDay, MonthDay], AfterValidator(_season)] = PEAK
    remote: bool = False
    max_megapixels: Annotated[float, Field(gt=0)] = MAX_MEGAPIXELS

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.api is None):
            raise ValueError("give either path or api, one of the two")
        return self


class ZoneColumns(Frozen):
    """Column names of the zone table; ``declared_wanmu`` is the area of record in 万亩."""

    id: str
    name: str
    ecosystem: str
    declared_wanmu: str | None = None
    stratum: str | None = None


class Zones(Frozen):
    """The zone boundaries. ``classes`` lists the words of the ecosystem column, ``expected`` the contract, and
    ``planned_wanmu`` the areas of the plan, 万亩. ``reference`` is a boundary known to be right, such as the
    districts', which shows a shift of the zones; ``overlaps`` says what becomes of ground that two zones claim."""

    path: Path
    layer: str | None = None
    columns: ZoneColumns
    classes: dict[EcosystemName, tuple[str, ...]] = Field(default_factory=CLASS_WORDS.copy)
    expected: dict[EcosystemName, int] = Field(default_factory=CONTRACT.copy)
    planned_wanmu: dict[EcosystemName, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    overlaps: Literal["refuse", "warn", "clip"] = "refuse"
    reference: Path | None = None


class StandColumns(Frozen):
    """Column names of the stand table; ``volume_m3_ha`` gives the live volume column of each inventory year, ``cover``
    that of the cover (0-1) of shrub stands."""

    species: str = "YOU_SHI_SZ"
    volume_m3_ha: dict[int, str]
    cover: str | None = None


class Stands(Frozen):
    """Forest stands (小班). The stock of a forest zone is theirs where they cover ``min_area_fraction`` of it."""

    path: Path
    layer: str | None = None
    columns: StandColumns
    min_area_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5

    @property
    def years(self) -> tuple[int, ...]:
        """The inventory years, ascending."""
        return tuple(sorted(self.columns.volume_m3_ha))


class LandCover(Frozen):
    """A land-cover raster of integer classes, such as ESA WorldCover; ``shrub`` are the classes that are shrub."""

    path: Path
    shrub: Annotated[tuple[int, ...], Field(min_length=1)]


class Grid(Frozen):
    """The run's grid. Tiles of ``tile_px`` bound the memory; large ones read faster. Scenes coarser than it are set
    aside, unless ``allow_coarser`` has their pixels repeated, which shows no more than they do."""

    crs: str
    resolution_m: Annotated[float, Field(gt=0)]
    tile_px: Annotated[int, Field(ge=256, multiple_of=256)] = 2048
    allow_coarser: bool = False

    @field_validator("crs")
    @classmethod
    def _in_metres(cls, value: str) -> str:
        try:
            crs = CRS.from_user_input(value)
        except CRSError:
            raise ValueError("is not a CRS; write it like EPSG:32649") from None
        if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
            raise ValueError("is not a projected CRS in metres; take one like EPSG:32649")
        return value
