"""The shape of the code: imports point down only, what computes reads no file, and everything says what it is."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pipeline.outputs import patches, sheets
from pipeline.tile_year import COMPOSITE_CODE
from pipeline.units import COVERAGE_CODE, MAP_CODE, SKETCH_CODE

PACKAGE = Path(__file__).parents[1] / "pipeline"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
READERS = {"rasterio", "zarr", "geopandas", "pyogrio"}
"""Libraries that read and write files."""

PURE = [
    *(
        "blocks",
        "bright_soil",
        "carbon",
        "composite",
        "composite_methods",
        "cover_classes",
        "indices",
        "median",
        "sketch",
        "attribution",
        "formulas",
        "zone_pixels",
        "encoding",
        "variables",
    ),
    *("vegetation", *(module for module in MODULES if module.startswith("ecosystems"))),
]
TOP = {
    "inputs", "run", "units", "scene_commands", "record", "calibration", "publish", "flow", "plan", "questions",
    "__main__",
}  # fmt: skip
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


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_reads_no_file_and_knows_no_run(module):
    used = set().union(*(imports(name) for name in reached(module)))
    assert not used & READERS
    assert not used & (TOP | {"config"})


def test_what_lies_below_the_run_does_not_know_the_config():
    knowing = {module: imports(module) & (TOP | {"config"}) for module in MODULES.keys() - TOP}
    assert not {module: found for module, found in knowing.items() if found}


TOLD = {
    # errors and records; compiled loops come from the named modules
    "errors", "provenance", "whole_file", "cores", "compiled", "zone",
    # what makes the numbers that stand in a key themselves: of ecosystems, stands, end-members and sensors
    *(module for module in MODULES if module.startswith("ecosystems")), "vegetation", "zone_model", "zone_stands",
    "sensor_error",
}  # fmt: skip
"""Modules of which a unit's key holds the outcome, not the code."""

OF_MAPS = {"carbon", "encoding", "outputs.cog", "pixel_error", "uncertainty", "varying"}

OF_RESULTS = {"crs_check", "ctrl_c", "engine", "note", "outputs.swap", "results", "sketch", "uncertainty", "yaml_file"}
"""What deliverables are handed as values or only write with."""

KEYED = {
    "composite": ("tile_year", COMPOSITE_CODE, set()),
    "coverage": ("zone_coverage", COVERAGE_CODE, set()),
    "sketch": ("work", SKETCH_CODE, OF_MAPS),
    "map": ("work", MAP_CODE, {"sketch_file"}),
    "patches": ("outputs.patches", patches.CODE, OF_RESULTS | {"carbon", "outputs.table", "season", "zones"}),
    "sheets": (
        "outputs.sheets",
        sheets.CODE,
        OF_RESULTS
        | {"comparability", "cover_classes", "plausibility", "regions", "suggestions", "totals", "vector_file"},
    ),
}
"""Unit of work: its module, the modules that its key of code names, and further ones that do not reach it."""


@pytest.mark.parametrize("unit", KEYED)
def test_a_key_names_all_code_that_its_unit_rests_on(unit):
    """A module that is new among them belongs into the key, or here with its reason."""
    module, named, apart = KEYED[unit]
    assert reached(module) - TOLD - apart == {name.replace("/", ".") for name in named}


def test_only_one_module_reads_pixels_of_scenes():
    assert [name for name, path in MODULES.items() if "odc.loader" in path.read_text("utf-8")] == ["reflectance"]


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
