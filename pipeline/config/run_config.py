"""The configuration of a run: YAML in, one frozen `RunConfig` out. Nothing below this file imports it."""

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, PrivateAttr, TypeAdapter, field_validator, model_validator

from pipeline.config.cover_config import Cover, KeptIndex
from pipeline.config.input_config import CONTRACT, Grid, LandCover, Scenes, Years, Zones
from pipeline.config.stand_config import Stands
from pipeline.ecosystems import AnyEcosystem, Ecosystem
from pipeline.errors import ConfigError
from pipeline.frozen import Section
from pipeline.totals.targets import Targets
from pipeline.yaml_file import FilePath, read_yaml
from pipeline.zones.file_parts import parts_of
from pipeline.zones.zone import DEVICES, EcosystemName

MIN_DRAWS = 100
"""With fewer, the ends of a 95 % interval depend on two draws or none."""

DeliverableName = Literal["patches", "styles", "project", "sheets", "workbook", "report", "stac"]
ExportName = Literal["shp", "gdb", "geoparquet"]
DELIVERABLE_NAMES: tuple[DeliverableName, ...] = get_args(DeliverableName)


class Composite(Section):
    """The yearly composite, made the same way for all years."""

    method: Literal["max_index", "median", "geometric_median"] = "max_index"
    """What a pixel keeps of the season: the indices on the day of the highest NDVI, the median of each index, or the
    indices of the geometric median of the bands."""
    indices: tuple[KeptIndex, ...] = ("ndvi",)
    """Indices that are always kept, ndvi first; those that `cover` uses are added by themselves."""
    cloud_buffer_m: Annotated[float, Field(ge=0)] = 60.0
    """Buffer around clouds and their shadows, m, rounded to whole pixels of the grid, or of the scene where that is at
    least twice as fine: 60 m are 6 pixels of 10 m, and none of 500 m."""
    bright_soil: bool = False
    """Whether bright sand and saline soil that is flagged as cloud or snow on most dates is recognised by comparing the
    dates of the season. Off by default: it reads each scene twice, and its limits are not published ones.
    It does not apply to scenes at least twice as fine as the grid."""

    @field_validator("indices")
    @classmethod
    def _ndvi_first(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value[:1] != ("ndvi",) or len(set(value)) != len(value):
            raise ValueError("the indices start with ndvi, which chooses the date, and name each once")
        return value


class Periods(Section):
    """Windows of years whose mean stocks are mapped and, where there are two, compared. For a sink without stands each
    needs three years or more that were seen."""

    baseline: Years | None = None
    """Years of the earlier window; without it no sink is computed."""
    current: Years
    """Years of the window that results are reported for."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.baseline and max(self.baseline) >= min(self.current):
            raise ValueError("the baseline must end before the current period begins")
        return self


class Uncertainty(Section):
    """The Monte Carlo of the totals. The last three are expert judgement, unverified."""

    draws: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Number of draws, 100 or more; 0 for no intervals."""
    seed: int = 20240601
    """The same seed gives the same draws."""
    area_u95_percent: Annotated[float, Field(ge=0, lt=100)] = 3.0
    """95 % half-width of a zone's area, % of it."""
    correlation_length_m: Annotated[float, Field(ge=0)] = 1000.0
    """Practical range, m, over which residuals of the biomass model are correlated."""
    carlson_ripley_chance: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    """Probability that Carlson & Ripley's cover formula is right and not the linear one: the choice of the model as a
    source of error. If it is the more likely one, make it the model of `cover`, or the interval is off the estimate."""

    @field_validator("draws")
    @classmethod
    def _enough(cls, value: int) -> int:
        if 0 < value < MIN_DRAWS:
            raise ValueError(f"{value} draws are too few for an interval; give {MIN_DRAWS} or more, or 0 for none")
        return value


class Patches(Section):
    """Management patches (图斑)."""

    min_area_mu: Annotated[float, Field(gt=0)] = 15.0
    """Least area of a patch, 亩; smaller ones are merged into a neighbour."""
    suggestions: FilePath | None = None
    """A table of suggestions in place of the shipped one; copy `pipeline/mapping/suggestions.yaml` to change it."""


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError("a run's name also names its folder and files: use letters, digits, _ and -, without spaces")
    if name.casefold() in DEVICES:
        raise ValueError("is the name of a device on Windows and cannot name a folder; give the run another name")
    return name


OneLine = Annotated[str, AfterValidator(lambda text: " ".join(text.split()))]
"""A text without the line breaks of a YAML block, which no font can draw."""


class RunConfig(Section):
    """Everything a run depends on. Paths are relative to the config file."""

    name: Annotated[str, AfterValidator(_file_name)]
    """Name of the output folder: letters, digits, _ and -."""
    title: OneLine = "碳汇片区监测"
    """Title of the sheets and of the QGIS project."""
    organisation: OneLine = ""
    """Who makes the sheets (编制单位), printed at the foot of each."""
    simulated: bool = False
    """Whether all maps are marked 示意 (schematic, simulated)."""
    scenes: Scenes
    zones: Zones
    stands: Stands | None = None
    """Forest and shrub stands (小班); without them the stock of forest is class mean times canopy cover."""
    land_cover: LandCover | None = None
    """A land-cover map that shows where shrub grows outside the stands."""
    grid: Grid
    composite: Composite = Composite()
    cover: dict[EcosystemName, Cover] = Field(default_factory=dict)
    """For each ecosystem, how an index becomes cover; an ecosystem that is left out uses the defaults below."""
    cover_classes: Literal["sl190", "five"] = "sl190"
    """Limits of the cover classes in tables, maps and patches: 30, 45, 60 and 75 % (SL 190), or 10, 30, 50 and 70 %."""
    periods: Periods
    coefficients: FilePath
    """Folder of the coefficient files; copy `configs/coefficients` to change them."""
    harmonise: Literal["none", "hls_bandpass", "roy2016"] | FilePath = "none"
    """How the reflectance of one sensor is adjusted to another's: not at all, by a published set of coefficients, or by
    a file that `sinkmap harmonise` wrote."""
    uncertainty: Uncertainty = Uncertainty()
    plausibility: FilePath | None = None
    """A file of plausible ranges in place of the shipped one; copy `pipeline/totals/plausibility.yaml` to change it."""
    styles: FilePath | None = None
    """A file of class breaks and colours in place of the shipped one; copy `pipeline/mapping/styles.yaml` to change
    it."""
    patches: Patches = Patches()
    deliverables: tuple[DeliverableName, ...] = DELIVERABLE_NAMES
    """Which products are made from the results; those no longer listed are deleted."""
    exports: tuple[ExportName, ...] = ()
    """Further vector formats; geoparquet needs `pip install pyarrow`."""
    min_observed_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Least observed share of a zone: below it the zone has no total."""
    area_tolerance_percent: Annotated[float, Field(gt=0)] = 3.0
    """How far drawn, declared and planned areas may differ, %."""
    area_mismatch: Literal["stop", "warn"] = "stop"
    """What happens if they differ more: the run stops, or goes on with a note."""
    targets: Targets | None = None
    """Targets of the plan, shown beside what is measured."""
    _alone: bool = PrivateAttr(False)
    """Whether this is one year of a run, mapped on its own."""

    @model_validator(mode="after")
    def _periods_within_years(self) -> Self:
        asked = set(self.periods.current) | set(self.periods.baseline or ())
        if missing := sorted(asked - set(self.scenes.years)):
            years = ", ".join(map(str, missing))
            raise ValueError(f"the periods use {years}, which scenes.years does not list; add them or move `periods`")
        return self

    @property
    def indices(self) -> tuple[str, ...]:
        """The indices that the composites keep: ndvi, the further ones asked for, and those that an ecosystem's cover
        uses."""
        asked = {*self.composite.indices, *(cover.index for cover in self.cover.values())}
        return tuple(name for name in get_args(KeptIndex) if name in asked)

    def tables(self) -> list[str]:
        """The files that the run depends on besides the scenes: tables, with every part of a shapefile or FileGDB, the
        coefficients, and the user's own harmonisation, plausible ranges, styles and suggestions."""
        files = [self.zones.path, self.zones.reference, *sorted(self.coefficients.glob("*.yaml"))]
        files += [file.path for file in self.stands.files] if self.stands else []
        files += [self.land_cover.path] if self.land_cover else []
        files += [self.plausibility, self.styles, self.patches.suggestions, self.harmonise]
        return [str(part) for file in files if isinstance(file, Path) for part in parts_of(file)]

    def with_exports(self, names: list[str]) -> "RunConfig":
        """The same run with further vector formats. Raises ConfigError for one that is unknown, or needs a package that
        is not installed."""
        if wrong := [name for name in names if name not in get_args(ExportName)]:
            raise ConfigError(f"there is no export {wrong[0]}; take {', '.join(get_args(ExportName))}")
        exports = tuple(dict.fromkeys((*self.exports, *names)))
        if "geoparquet" in exports and find_spec("pyarrow") is None:
            raise ConfigError("exports geoparquet: needs pyarrow; install it with `pip install pyarrow` and run again")
        return self.model_copy(update={"exports": exports})

    def results(self, out: Path) -> Path:
        """Folder of the results within ``out``, the folder of all runs; a year mapped on its own has one within the
        run's."""
        return out / self.name / str(self.periods.current[0]) if self._alone else out / self.name

    def for_year(self, year: int) -> "RunConfig":
        """The same run for one year alone: its maps and stocks, no comparison. Raises ConfigError."""
        if year not in self.scenes.years:
            raise ConfigError(f"the year {year} is not among scenes.years {list(self.scenes.years)}; add it there")
        alone = self.model_copy(update={"periods": Periods(current=(year,))})
        alone._alone = True
        return alone


def read_config(path: Path) -> RunConfig:
    """The run of the YAML file ``path``, with its paths made absolute. Raises ConfigError."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such config file; see configs/ for examples")
    return read_yaml(path, RunConfig)


def placeless(config: dict) -> dict:
    """A config as JSON values with its absolute paths made relative to their common folder: it stays the same when a
    run is copied elsewhere with its files."""

    def mapped(value: Any, change: Callable[[str], Any]) -> Any:
        if isinstance(value, dict):
            return {key: mapped(part, change) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [mapped(part, change) for part in value]
        return change(value) if isinstance(value, str) and os.path.isabs(value) else value

    paths: list[str] = []
    mapped(config, paths.append)
    try:
        folder = os.path.commonpath(paths)
    except ValueError:  # none, or on several drives
        return config
    return mapped(config, lambda path: os.path.relpath(path, folder))


def read_coefficients(folder: Path) -> dict[str, Ecosystem]:
    """The ecosystems of all YAML files in ``folder``, by name. Raises ConfigError."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError(f"{folder}: holds no coefficient file (*.yaml); set `coefficients` to the folder that does")
    methods: dict[str, Ecosystem] = {}
    for file in files:
        method = read_yaml(file, TypeAdapter(AnyEcosystem))
        if method.ecosystem in methods:
            raise ConfigError(f"{file}: {method.ecosystem} has a coefficient file already; remove one of the two")
        methods[method.ecosystem] = method
    if missing := CONTRACT.keys() - methods.keys():
        raise ConfigError(f"{folder}: has no coefficient file for {', '.join(sorted(missing))}; add it")
    return methods
