"""The configuration of a run: YAML in, one frozen `RunConfig` out. Nothing below this file knows it."""

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, PrivateAttr, TypeAdapter, field_validator, model_validator

from pipeline.cover_config import Cover, KeptIndex
from pipeline.ecosystems import AnyEcosystem, Ecosystem, Frozen
from pipeline.errors import ConfigError
from pipeline.file_parts import parts_of
from pipeline.input_config import CONTRACT, EcosystemName, Grid, LandCover, Scenes, Stands, Years, Zones
from pipeline.targets import Targets
from pipeline.yaml_file import read_yaml

MIN_DRAWS = 100
"""Below it the ends of a 95 % interval rest on two draws or none."""

DeliverableName = Literal["patches", "styles", "project", "sheets", "workbook", "stac"]
ExportName = Literal["shp", "gdb", "geoparquet"]
DELIVERABLE_NAMES: tuple[DeliverableName, ...] = get_args(DeliverableName)


class Composite(Frozen):
    """Yearly composite, made the same way for all years of the run; clouds and shadows grow by ``cloud_buffer_m``.

    ``indices`` are kept in any case; those that the ecosystems' ``cover`` asks for come by themselves.
    """

    method: Literal["max_index", "median", "geometric_median"] = "max_index"
    indices: tuple[KeptIndex, ...] = ("ndvi",)
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

    @field_validator("draws")
    @classmethod
    def _enough(cls, value: int) -> int:
        if 0 < value < MIN_DRAWS:
            raise ValueError(f"{value} draws tell no interval; give {MIN_DRAWS} or more, or 0 for none")
        return value


class Patches(Frozen):
    """Management patches: their minimum size, and a table of suggestions in place of the shipped one."""

    min_area_mu: Annotated[float, Field(gt=0)] = 15
    suggestions: Path | None = None


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError("a run's name is that of its folder and files: letters, digits, _ and -, without spaces")
    return name


class RunConfig(Frozen):
    """Everything a run depends on. Paths are relative to the config file."""

    name: Annotated[str, AfterValidator(_file_name)]
    title: str = "碳汇片区监测"
    organisation: str = ""
    simulated: bool = False
    scenes: Scenes
    zones: Zones
    stands: Stands | None = None
    land_cover: LandCover | None = None
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
    exports: tuple[ExportName, ...] = ()
    min_observed_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5
    area_tolerance_percent: Annotated[float, Field(gt=0)] = 3.0
    area_mismatch: Literal["stop", "warn"] = "stop"
    targets: Targets | None = None
    _alone: bool = PrivateAttr(False)
    """Whether this is one year of a run, mapped on its own."""

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
        return tuple(name for name in get_args(KeptIndex) if name in asked)

    def tables(self) -> list[str]:
        """The files besides the scenes that the run rests on: tables with all that a shapefile or FileGDB consists of,
        coefficients, and its own harmonisation, plausible ranges, styles and suggestions."""
        files = [self.zones.path, self.zones.reference, *sorted(self.coefficients.glob("*.yaml"))]
        files += [part.path for part in (self.stands, self.land_cover) if part]
        files += [self.plausibility, self.styles, self.patches.suggestions, self.harmonise]
        return [str(part) for file in files if isinstance(file, Path) for part in parts_of(file)]

    def with_exports(self, names: list[str]) -> "RunConfig":
        """The same run with further vector formats. Raises ConfigError for one that is unknown or needs what is not
        installed."""
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
    config = read_yaml(path, RunConfig)
    folder = Path(os.path.abspath(path)).parent

    def absolute(part: Frozen, field: str) -> dict:
        return {field: Path(os.path.normpath(folder / getattr(part, field)))}

    updates: dict = absolute(config, "coefficients")
    for name in ("styles", "plausibility", "harmonise"):
        if getattr(config, name) and not isinstance(getattr(config, name), str):
            updates |= absolute(config, name)
    if config.patches.suggestions:
        updates["patches"] = config.patches.model_copy(update=absolute(config.patches, "suggestions"))
    for name in ("scenes", "zones", "stands", "land_cover"):
        if (part := getattr(config, name)) is not None and part.path is not None:
            updates[name] = part.model_copy(update=absolute(part, "path"))
    if config.zones.reference:
        updates["zones"] = updates["zones"].model_copy(update=absolute(config.zones, "reference"))
    return config.model_copy(update=updates)


def placeless(config: dict) -> dict:
    """A config as JSON values with its absolute paths from their common folder: that of a run that was copied elsewhere
    with its files is the same."""

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
