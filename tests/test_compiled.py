"""Compiled loops are kept between runs, and are those of the present code."""

import ast
import os
import shutil
import subprocess
import sys
from importlib import import_module
from inspect import getclosurevars, getsource

import pytest
from numba.core.dispatcher import Dispatcher

from pipeline.execution.compiled import PACKAGE, SOURCES, cache_folder

MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "import njit" in path.read_text(encoding="utf-8")]


def imported_from(source: str) -> dict[str, str]:
    """By name, the module of this package that a file imports it from, as a path."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name: node.module.removeprefix("pipeline.").replace(".", "/")
        for node in imports if (node.module or "").startswith("pipeline.") for alias in node.names
    }  # fmt: skip


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem != "compiled"], ids=lambda path: path.stem)
def test_all_that_a_loop_is_compiled_from_is_a_source(path):
    name = path.relative_to(PACKAGE).with_suffix("").as_posix()
    module = import_module(f"pipeline.{name.replace('/', '.')}")
    names = imported_from(getsource(module))
    loops = [value for value in vars(module).values() if isinstance(value, Dispatcher)]
    assert loops
    used = {name for loop in loops for name in getclosurevars(loop.py_func).globals}
    assert {name, *(names[each] for each in used & names.keys())} <= set(SOURCES)


def test_a_loop_is_compiled_again_when_another_file_that_it_uses_changes(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    show = (
        "import numpy as np; from pipeline.compositing.composite import store_index;"
        "band = (np.full((1, 1), 0.1), 1.0, 0.0, np.nan); out = np.zeros((1, 1), 'int16');"
        "nir = (np.full((1, 1), 0.3), 1.0, 0.0, np.nan);"
        "store_index('ndvi', {'red': band, 'nir': nir}, np.ones((1, 1), bool), out); print(out[0, 0])"
    )

    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def ndvi() -> int:
        done = subprocess.run(
            [sys.executable, "-c", show], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert ndvi() == 5000  # (0.3 - 0.1) / 0.4 in steps of 1e-4
    before = cache_folder(tmp_path / "pipeline")
    assert any(before.rglob("*.nbc"))
    formula = tmp_path / "pipeline/compositing/indices.py"
    text = formula.read_text(encoding="utf-8")
    assert text.count("return (high - low) / total if") == 1
    formula.write_text(text.replace("return (high - low) / total if", "return (high - low) / 2 / total if"), "utf-8")
    assert ndvi() == 2500
    assert cache_folder(tmp_path / "pipeline") != before
