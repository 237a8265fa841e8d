"""The shape of the code: imports point down only, what computes reads no file, and everything says what it is."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pipeline.compositing.tile_year import COMPOSITE_CODE
from pipeline.outputs import patches
from pipeline.outputs.sheets import atlas
from pipeline.units import COVERAGE_CODE, ERROR_CODE, MAP_CODE, SKETCH_CODE

PACKAGE = Path(__file__).parents[1] / "pipeline"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
READERS = {"rasterio", "zarr", "geopandas", "pyogrio"}
"""Libraries that read and write files."""

RUN = "flow plan record publish calibration work units run inputs"
LAYERS = (
    "__main__", "commands", RUN, "questions", "outputs",
    "config", "totals", "mapping", "uncertainty", "stock", "compositing", "scenes", "zones", "ecosystems",
    "blocks carbon vegetation variables frozen yaml_file", "execution", "errors __init__",
)  # fmt: skip
"""Modules and folders from top to bottom."""

PURE = [
    "blocks", "carbon", "variables", "vegetation", "stock.sketch", "questions.attribution", "questions.formulas",
    *(f"compositing.{name}" for name in ("bright_soil", "composite", "composite_methods", "indices", "median")),
    *(f"mapping.{name}" for name in ("cover_classes", "encoding", "zone_pixels")),
    *(module for module in MODULES if module.startswith("ecosystems")),
]  # fmt: skip
MAX_LINES = 300


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports, anywhere in it: modules of the package without ``pipeline.``, else the library."""
    found = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            inner = node.module.partition(".")[2] if node.module.split(".")[0] == "pipeline" else None
            # `from package import module` and `from module import name` look alike
            found |= {
                f"{node.module}.{alias.name}"
                if inner is not None and f"{inner}.{alias.name}".strip(".") in MODULES
                else node.module
                for alias in node.names
            }
    return frozenset(
        name.removeprefix("pipeline.") if name.split(".")[0] == "pipeline" else name.split(".")[0]
        for name in found
        if name != "pipeline"
    )


def layer(module: str) -> int:
    """The place of a module among the `LAYERS`, from the top."""
    return next(place for place, names in enumerate(LAYERS) if module.partition(".")[0] in names.split())


def reached(module: str) -> set[str]:
    """The module and all of the package that importing it imports."""
    seen, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += imports(name) & MODULES.keys()
    return seen


def test_imports_point_down_only():
    graph = {module: imports(module) & MODULES.keys() - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' <- '.join(error.args[1])}")


def test_folders_stand_in_layers():
    upward = [
        f"{module} imports {name}"
        for module in MODULES
        for name in imports(module) & MODULES.keys()
        if layer(name) < layer(module)
    ]
    assert not upward


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_reads_no_file_and_knows_no_run(module):
    used = set().union(*(imports(name) for name in reached(module)))
    assert not used & READERS
    assert not {name for name in reached(module) if name in RUN.split() or name.startswith("config")}


def test_what_lies_below_the_run_does_not_know_the_config():
    knowing = {
        module: {name for name in imports(module) if name.startswith("config.")}
        for module in MODULES
        if layer(module) > layer("run") and not module.startswith("config")
    }
    assert not {module: found for module, found in knowing.items() if found}


TOLD = {
    # errors and records; compiled loops come from the named modules
    "errors", "execution.provenance", "execution.json_file", "execution.whole_file", "execution.cores",
    "execution.compiled", "zones.zone",
    # what makes the numbers that stand in a key themselves: of ecosystems, stands, end-members and sensors
    *(module for module in MODULES if module.startswith("ecosystems")), "vegetation", "frozen",
    "stock.zone_model", "zones.zone_stands", "scenes.sensor_error",
}  # fmt: skip
"""Modules of which a unit's key holds the outcome, not the code."""

OF_MAPS = {
    "carbon", "mapping.encoding", "outputs.cog", "uncertainty.monte_carlo", "uncertainty.pixel_error",
    "uncertainty.varying",
}  # fmt: skip

OF_RESULTS = {
    "execution.ctrl_c", "execution.engine", "outputs.note", "outputs.results", "outputs.swap", "stock.sketch",
    "uncertainty.monte_carlo", "yaml_file", "zones.crs_check",
}  # fmt: skip
"""What deliverables are handed as values or only write with."""

OF_PATCHES = {"carbon", "outputs.csv_file", "scenes.season", "zones.boundaries"}

OF_SHEETS = {
    "mapping.cover_classes", "mapping.regions", "mapping.suggestions", "totals.comparability", "totals.plausibility",
    "totals.zone_totals", "zones.vector_file",
}  # fmt: skip

KEYED = {
    "composite": ("compositing.tile_year", COMPOSITE_CODE, set()),
    "coverage": ("mapping.zone_coverage", COVERAGE_CODE, set()),
    "sketch": ("work", SKETCH_CODE, OF_MAPS),
    "map": ("work", (*MAP_CODE, *ERROR_CODE), {"stock.sketch_file"}),
    "patches": ("outputs.patches", patches.CODE, OF_RESULTS | OF_PATCHES),
    "sheets": ("outputs.sheets.atlas", atlas.CODE, (OF_RESULTS | OF_SHEETS) - {"outputs.note"}),
}
"""Unit of work: its module, the modules that its key of code names, and further ones that do not reach it."""


@pytest.mark.parametrize("unit", KEYED)
def test_a_key_names_all_code_that_its_unit_rests_on(unit):
    """A module that is new among them belongs into the key, or here with its reason."""
    module, named, apart = KEYED[unit]
    code = {name.replace("/", ".") for name in named}
    assert reached(module) - (TOLD - code) - apart == code


def test_only_one_module_reads_pixels_of_scenes():
    assert [name for name, path in MODULES.items() if "odc.loader" in path.read_text("utf-8")] == ["scenes.reflectance"]


def test_each_module_public_class_and_function_says_what_it_is():
    silent = [
        f"{module}: {getattr(node, 'name', 'the module')}"
        for module in MODULES
        for node in [tree(module), *tree(module).body]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and not getattr(node, "name", "").startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_a_module_can_be_read_in_one_go():
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in MODULES.items()}
    assert not {module: count for module, count in lines.items() if count > MAX_LINES}
