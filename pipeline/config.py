"""The configuration of a run: YAML in, one frozen `RunConfig` out. Nothing below this file knows it."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, field_validator, model_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from pipeline.cover_config import Cover
from pipeline.ecosystems import AnyEcosystem, Ecosystem, Frozen
from pipeline.errors import ConfigError
from pipeline.indices import INDICES
from pipeline.yaml_file import read_yaml

EcosystemName = Literal["forest", "grassland", "wetland"]
DeliverableName = Literal["patches", "styles", "project", "sheets", "workbook", "stac"]
DELIVERABLE_NAMES: tuple[DeliverableName, ...] = get_args(DeliverableName)


def _years(value: object) -> object:
    """2024, [2019, 2021] or "2019-2025" (both ends included) as a tuple of years."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str):
        first, dash, last = value.partition("-")
        if first.strip().isdigit() and (last.strip().isdigit() or not dash):
            return tuple(range(int(first), int(last or first) + 1))
        raise ValueError("years are written 2024, 2019-2025 or [2019, 2021]")
    return value


def _month_day(value: object) -> object:
    if isinstance(value, str):
        month, _, day = value.partition("-")
        if month.isdigit() and day.isdigit() and 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
            return (int(month), int(day))
    raise ValueError('a day of the season is written "MM-DD", such as "07-15"')


def _distinct(years: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(years)) < len(years):
        raise ValueError("a year is named twice")
    return tuple(sorted(years))


Years = Annotated[tuple[int, ...], BeforeValidator(_years), Field(min_length=1), AfterValidator(_distinct)]
MonthDay = Annotated[tuple[int, int], BeforeValidator(_month_day)]


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


class Scenes(Frozen):
    """Where the scenes are, and which count: a ``path`` (folder of products, STAC catalogue, manifest) or an ``api``.

    ``remote`` lets pixels come from elsewhere: files in GDAL's virtual file systems, and what the API's items have on a
    server, downloaded once into the run's folder. A raster of more than ``max_megapixels`` is refused.
    """

    path: Path | None = None
    api: StacApi | None = None
    years: Years
    season: tuple[MonthDay, MonthDay] = ((7, 15), (8, 31))
    remote: bool = False
    max_megapixels: Annotated[float, Field(gt=0)] = 2000

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

    id: str = "XIAO_BAN"
    species: str = "YOU_SHI_SZ"
    volume_m3_ha: dict[int, str]
    cover: str | None = None


class Stands(Frozen):
    """Forest stands (小班)."""

    path: Path
    layer: str | None = None
    columns: StandColumns


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


class Composite(Frozen):
    """Yearly composite, made the same way for all years of the run; clouds and shadows grow by ``cloud_buffer_m``.

    ``indices`` are kept in any case; those that the ecosystems' ``cover`` asks for come by themselves.
    """

    method: Literal["max_index", "median", "geometric_median"] = "max_index"
    indices: tuple[Literal["ndvi", "ndmi"], ...] = ("ndvi",)
    cloud_buffer_m: Annotated[float, Field(ge=0)] = 60
    bright_soil: bool = False
    """Whether bright sand and saline soil that is flagged as cloud or snow on most dates is told from them over the
    dates of the season. Off by itself: it reads each scene twice, and its limits are not published ones."""

    @field_validator("indices")
    @classmethod
    def _ndvi_first(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value[:1] != ("ndvi",) or len(set(value)) != len(value):
            raise ValueError("the indices start with ndvi, which chooses the date, and name each once")
        return value


class Periods(Frozen):
    """Windows of years whose mean stocks are mapped and, where there are two, compared."""

    baseline: Years | None = None
    current: Years

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.baseline and max(self.baseline) >= min(self.current):
            raise ValueError("the baseline must end before the current period begins")
        return self


class Uncertainty(Frozen):
    """Monte Carlo of the totals: ``draws`` (0: none) by ``seed``; 95 % half-width of a zone's area in % of it;
    practical range over which the model's residuals are correlated; the chance that Carlson & Ripley's formula of cover
    holds instead of the linear one (the choice of model as a source of error)."""

    draws: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    seed: int = 20240601
    area_u95_percent: Annotated[float, Field(ge=0, lt=100)] = 3.0
    correlation_length_m: Annotated[float, Field(ge=0)] = 1000.0
    carlson_ripley_chance: Annotated[float, Field(ge=0, le=1)] = 0.2


class Patches(Frozen):
    """Management patches: their minimum size, and a table of suggestions in place of the shipped one."""

    min_area_mu: Annotated[float, Field(gt=0)] = 15
    suggestions: Path | None = None


class RunConfig(Frozen):
    """Everything a run depends on. Paths are relative to the config file."""

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    title: str = "碳汇片区监测"
    simulated: bool = False
    scenes: Scenes
    zones: Zones
    stands: Stands | None = None
    grid: Grid
    composite: Composite = Composite()
    cover: dict[EcosystemName, Cover] = Field(default_factory=dict)
    cover_classes: Literal["sl190", "five"] = "sl190"
    periods: Periods
    coefficients: Path
    harmonise: Literal["none", "hls_bandpass", "roy2016"] | Path = "none"
    uncertainty: Uncertainty = Uncertainty()
    plausibility: Path | None = None
    styles: Path | None = None
    patches: Patches = Patches()
    deliverables: tuple[DeliverableName, ...] = DELIVERABLE_NAMES
    min_observed_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    area_tolerance_percent: Annotated[float, Field(gt=0)] = 3.0
    area_mismatch: Literal["stop", "warn"] = "stop"

    @model_validator(mode="after")
    def _periods_within_years(self) -> Self:
        asked = set(self.periods.current) | set(self.periods.baseline or ())
        if missing := sorted(asked - set(self.scenes.years)):
            raise ValueError(f"the periods use {missing}, which scenes.years does not list")
        return self

    @property
    def indices(self) -> tuple[str, ...]:
        """What the composites keep: ndvi, the further indices asked for, and those that an ecosystem's cover uses."""
        asked = {*self.composite.indices, *(cover.index for cover in self.cover.values())}
        return tuple(name for name in INDICES if name in asked)

    def for_year(self, year: int) -> "RunConfig":
        """The same run for one year alone: its maps and stocks, no comparison. Raises ConfigError."""
        if year not in self.scenes.years:
            raise ConfigError(f"the year {year} is not among scenes.years {list(self.scenes.years)}; add it there")
        return self.model_copy(update={"periods": Periods(current=(year,))})


def read_config(path: Path) -> RunConfig:
    """The run of the YAML file ``path``, with its paths made absolute. Raises ConfigError."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such config file; see configs/ for examples")
    config = read_yaml(path, RunConfig)
    folder = path.resolve().parent

    def absolute(part: Frozen, field: str) -> dict:
        return {field: Path(os.path.normpath(folder / getattr(part, field)))}

    updates: dict = absolute(config, "coefficients")
    for name in ("styles", "plausibility", "harmonise"):
        if getattr(config, name) and not isinstance(getattr(config, name), str):
            updates |= absolute(config, name)
    if config.patches.suggestions:
        updates["patches"] = config.patches.model_copy(update=absolute(config.patches, "suggestions"))
    for name in ("scenes", "zones", "stands"):
        if (part := getattr(config, name)) is not None and part.path is not None:
            updates[name] = part.model_copy(update=absolute(part, "path"))
    if config.zones.reference:
        updates["zones"] = updates["zones"].model_copy(update=absolute(config.zones, "reference"))
    return config.model_copy(update=updates)


def read_coefficients(folder: Path) -> dict[str, Ecosystem]:
    """The ecosystems of all YAML files in ``folder``, by name. Raises ConfigError."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError(
            f"{folder}: no coefficient file (*.yaml) is there; point `coefficients` to the folder of them"
        )
    methods: dict[str, Ecosystem] = {}
    for file in files:
        method = read_yaml(file, TypeAdapter(AnyEcosystem))
        if method.ecosystem in methods:
            raise ConfigError(f"{file}: {method.ecosystem} has a coefficient file already; remove one of the two")
        methods[method.ecosystem] = method
    if missing := CONTRACT.keys() - methods.keys():
        raise ConfigError(f"{folder}: has no coefficient file for {', '.join(sorted(missing))}; add it")
    return methods
