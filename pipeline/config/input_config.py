"""The part of the configuration that says where the inputs are and on which grid they are read."""

import re
from calendar import monthrange
from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.frozen import Section
from pipeline.scenes import MAX_MEGAPIXELS
from pipeline.scenes.season import PEAK, Season
from pipeline.yaml_file import FilePath
from pipeline.zones.crs_check import horizontal
from pipeline.zones.zone import EcosystemName, ZoneFile

WRITTEN = re.compile(r"\s*(\d{4})\s*(?:-\s*(\d{4})\s*)?")
"""A year or a span of years."""

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""Years of scenes and inventories lie within these."""


def _years(value: object) -> object:
    """2024, [2019, 2021] or "2019-2025" (both ends included) as a tuple of years."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        if written := WRITTEN.fullmatch(value):
            first, last = int(written[1]), int(written[2] or written[1])
            if last < first:
                raise ValueError("the first year must come before the last")
            return tuple(range(first, last + 1))
        raise ValueError("years are written 2024, 2019-2025 or [2019, 2021]")
    return value


EVERY_DAY = frozenset((month, day) for month in range(1, 13) for day in range(1, monthrange(2023, month)[1] + 1))
"""Days that every year has, so without the 29th of February."""


def _month_day(value: object) -> object:
    if isinstance(value, str):
        month, _, day = value.partition("-")
        if month.isdigit() and day.isdigit() and (int(month), int(day)) in EVERY_DAY:
            return (int(month), int(day))
    raise ValueError('a day of the season is written "MM-DD", such as "07-15"')


def _season(ends: tuple[tuple[int, int], tuple[int, int]]) -> Season:
    if ends[0] > ends[1]:
        raise ValueError("the season must begin before it ends, within one year")
    return Season(*ends)


def _distinct(years: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(years)) < len(years):
        raise ValueError("a year is named twice")
    if strange := [year for year in years if not FIRST_YEAR <= year <= LAST_YEAR]:
        raise ValueError(f"{strange[0]} is not a year from {FIRST_YEAR} to {LAST_YEAR}")
    return tuple(sorted(years))


def _in_quotes(value: object) -> object:
    if isinstance(value, str):
        return value
    raise ValueError("write it in quotes, as the table has it" + (f', such as "{value}"' if value is not None else ""))


Word = Annotated[str, BeforeValidator(_in_quotes)]
"""A word or code of a table: without quotes YAML takes 0110 for the number 110."""


def one_meaning(words: dict[str, tuple[str, ...]], what: str) -> dict[str, tuple[str, ...]]:
    """The ``words`` as they are. Raises ValueError for one that is listed under two of the keys."""
    counts = Counter(word for of_one in words.values() for word in {" ".join(word.split()) for word in of_one})
    if twice := [word for word, meanings in counts.items() if meanings > 1]:
        raise ValueError(f"the word {twice[0]!r} is listed under two {what}; list it under one")
    return words


ONE_YEAR = {"type": "integer", "minimum": FIRST_YEAR, "maximum": LAST_YEAR}
YEARS_WRITTEN = [
    ONE_YEAR,
    {"type": "string", "pattern": f"^{WRITTEN.pattern}$"},
    {"type": "array", "items": ONE_YEAR, "minItems": 1},
]
Years = Annotated[
    tuple[int, ...], BeforeValidator(_years), Field(min_length=1), AfterValidator(_distinct),
    WithJsonSchema({"anyOf": YEARS_WRITTEN, "examples": [2024, "2019-2025", [2019, 2021]]}),
]  # fmt: skip
MonthDay = Annotated[
    tuple[int, int], BeforeValidator(_month_day),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}-\d{1,2}$", "examples": ["07-15"]}),
]  # fmt: skip


CLASS_WORDS = {
    "forest": ("forest", "林地", "森林", "林"),
    "grassland": ("grassland", "草地", "草原", "草"),
    "wetland": ("wetland", "湿地"),
}

CONTRACT = {"forest": 12, "grassland": 5, "wetland": 5}
"""Zones of the city's plan."""


class StacApi(Section):
    """A STAC API that is searched once for scenes over the zones; its answer is kept with the run. If a server lacks a
    file of a scene (404), the scene is set aside."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    """Address of the API."""
    collections: Annotated[tuple[str, ...], Field(min_length=1)]
    """The collections that are searched."""
    cloud_below: Annotated[float, Field(gt=0, le=100)] | None = None
    """Highest cloud share of a scene, %, as its item states it; scenes that state none are used."""


class Scenes(Section):
    """Where the scenes are, and which of them are used."""

    path: FilePath | None = None
    """Folder of products, STAC catalogue or item, or manifest; give either this or `api`."""
    api: StacApi | None = None
    """A STAC API in place of `path`."""
    years: Years
    """The years that are composited."""
    season: Annotated[
        tuple[MonthDay, MonthDay], AfterValidator(_season),
        Field(json_schema_extra={"default": [f"{month:02}-{day:02}" for month, day in PEAK]}),
    ] = PEAK  # fmt: skip
    """First and last day of the peak season, the same for all years."""
    remote: bool = False
    """Whether pixels may come from elsewhere: through GDAL's virtual file systems, or, for items of the API, from
    their servers; these are downloaded once into the run's folder."""
    max_megapixels: Annotated[float, Field(gt=0)] = MAX_MEGAPIXELS
    """A larger raster is refused."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.api is None):
            raise ValueError("give either path or api, one of the two")
        return self


class ZoneColumns(Section):
    """Names of the columns of the zone table."""

    id: str
    """Column of the zone's id, which is also used in the names of its files."""
    name: str
    """Column of its name."""
    ecosystem: str
    """Column of its ecosystem, in the words of `classes`."""
    declared_wanmu: str | None = None
    """Column of its area of record, 万亩."""
    stratum: str | None = None
    """Column of its vegetation type: a stratum of its coefficient file."""


class Zones(Section):
    """The zone boundaries."""

    path: FilePath
    """Shapefile (GBK or UTF-8), GeoPackage, FileGDB or GeoJSON, in a CRS on CGCS2000 or WGS 84."""
    layer: str | None = None
    """Layer of the file; not needed if it has only one."""
    columns: ZoneColumns
    classes: dict[EcosystemName, tuple[Word, ...]] = CLASS_WORDS
    """The words that the column of the ecosystem uses for each ecosystem."""
    expected: dict[EcosystemName, int] = CONTRACT
    """Number of zones of each ecosystem in the plan; with another number the run stops."""
    planned_wanmu: dict[EcosystemName, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Planned areas by ecosystem, 万亩, for the ledger of areas."""
    overlaps: Literal["refuse", "warn", "clip"] = "refuse"
    """What happens to ground that two zones cover: the run stops; or it counts twice, with a warning; or it is given to
    one zone, wetland before forest before grassland."""
    reference: FilePath | None = None
    """Outlines known to be right, such as those of the districts, to detect a shift of the zones (GCJ-02)."""

    @property
    def file(self) -> ZoneFile:
        """The file and what it is to hold."""
        return ZoneFile(self.path, self.layer, self.columns.model_dump(), self.classes, self.expected)

    @field_validator("classes")
    @classmethod
    def _one_ecosystem(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return one_meaning(value, "ecosystems")


class LandCover(Section):
    """A land-cover map that shows where shrub grows in grassland zones, and in forest zones without stands, outside the
    ground of stands."""

    path: FilePath
    """Raster of integer classes, such as ESA WorldCover, in any CRS and pixel size."""
    shrub: Annotated[tuple[int, ...], Field(min_length=1)]
    """The classes that count as shrub, [20] in ESA WorldCover."""


MERCATOR = ("Popular Visualisation Pseudo Mercator", "Mercator")
"""Projections that stretch lengths by 1/cos(latitude), in Baotou by 32 %: pixels, buffers and correlation lengths
would be too small by as much."""


class Grid(Section):
    """The run's grid. The scenes' own CRS and pixel size avoid resampling."""

    crs: str
    """A projected CRS in metres, such as EPSG:32649. The CRS of web maps (EPSG:3857) is refused: its metres
    are not true lengths."""
    resolution_m: Annotated[float, Field(gt=0)]
    """Side of a pixel, m."""
    tile_px: Annotated[int, Field(ge=256, multiple_of=256)] = 2048
    """Side of a tile, pixels: smaller tiles take less memory, larger ones are read faster."""
    allow_coarser: bool = False
    """Whether the pixels of coarser scenes are repeated, which adds no detail; otherwise such scenes are set aside."""

    @field_validator("crs")
    @classmethod
    def _in_metres(cls, value: str) -> str:
        try:
            crs = CRS.from_user_input(value)
        except CRSError:
            raise ValueError("is not a CRS; write it like EPSG:32649") from None
        if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
            raise ValueError("is not a projected CRS in metres; take one like EPSG:32649")
        if crs.is_compound:
            raise ValueError("includes heights; take a CRS of x and y alone, like EPSG:32649")
        if horizontal(crs).coordinate_operation.method_name.startswith(MERCATOR):
            raise ValueError("is a Mercator CRS (web map), whose metres are not true lengths; take one like EPSG:32649")
        return value
