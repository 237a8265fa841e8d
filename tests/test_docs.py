"""What is shown to the reader is what the code does: notebooks run, the README keeps step."""

import csv
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.__main__ import INTERRUPTED, app
from pipeline.config.run_config import RunConfig
from pipeline.errors import SinkmapError

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_results_of_the_sample(path, sample_run, monkeypatch):
    monkeypatch.setenv("SINKMAP_RUN", str(sample_run[1]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(nbformat.read(path, as_version=4), timeout=120).execute()


HALF_WIDTH = re.compile(r"[\u4e00-\u9fff）”][,;:]|[,;:] ?[\u4e00-\u9fff（“]")
"""A mark of Latin text beside a Chinese character (GB/T 15834 asks for ，；：)."""


def test_chinese_text_has_chinese_marks():
    docs = {
        name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("guide.zh", "method", "columns")
    }
    docs["method"] = docs["method"].partition("## 计算内容")[2].partition("## Coefficients")[0]
    titles = [line.split("|")[3] for line in docs.pop("columns").splitlines() if line.startswith("| `")]
    texts = [re.sub(r"`[^`]*`", "", text) for text in (*docs.values(), *titles)]
    assert [found.group() for text in texts for found in HALF_WIDTH.finditer(text)] == []


GUIDES = ("README.md", "docs/guide.zh.md")


def test_every_config_key_is_in_the_guide_in_chinese():
    text = (ROOT / "docs" / "guide.zh.md").read_text(encoding="utf-8")
    assert [key for key in RunConfig.model_fields if not re.search(rf"`{key}[.`]", text)] == []


@pytest.mark.parametrize("guide", GUIDES)
def test_every_result_of_the_sample_is_in_the_guides(guide, sample_run):
    text = (ROOT / guide).read_text(encoding="utf-8")
    made = {path.name.replace("sample.", "<name>.") for path in sample_run[1].glob("*.*") if path.suffix != ".png"}
    assert {"<name>.qgz", "monitoring.pdf", "summary.csv"} <= made
    assert [name for name in sorted(made) if f"`{name}`" not in text] == []


def test_the_guide_in_chinese_names_every_command_and_exit_code():
    text = (ROOT / "docs" / "guide.zh.md").read_text(encoding="utf-8")
    commands = [
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if not command.hidden
    ]
    assert {"zones", "what-if"} <= set(commands)
    assert [name for name in commands if not re.search(rf"`(sinkmap )?{name}[ `]", text)] == []
    codes = [0, *(error.exit_code for error in SinkmapError.__subclasses__()), INTERRUPTED]
    assert [code for code in codes if f"| {code} |" not in text] == []


def test_files_that_the_readme_names_are_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#:]+)\)|`((?:configs|docs|pipeline|data)/[\w./-]+)`", readme)
    assert [path for pair in named for path in pair if path and not (ROOT / path).exists()] == []


def script(name: str) -> ModuleType:
    """A script of the documentation, not run."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_method_are_those_of_the_coefficient_files():
    """Mend: python docs/method_tables.py"""
    tables = script("method_tables")
    text = tables.METHOD.read_text(encoding="utf-8")
    assert text == tables.with_tables(text)


def test_the_map_of_the_code_holds_every_file_once():
    """Mend: put a new folder into FOLDERS of docs/code_map.py, or a file of the package into TOP, then run it"""
    code = script("code_map")
    assert sorted(code.files()) == sorted(set(code.PACKAGE.rglob("*.py")) - {code.PACKAGE / "__init__.py"})
    assert code.CODE_MD.read_text(encoding="utf-8") == code.text()


def test_the_keys_of_the_config_are_those_of_its_models():
    """Mend: python docs/config_tables.py"""
    tables = script("config_tables")
    assert tables.CONFIG_MD.read_text(encoding="utf-8") == tables.text()


def test_the_columns_are_those_of_the_tables(sample_run):
    """Mend: python docs/column_tables.py"""
    tables = script("column_tables")
    assert tables.COLUMNS_MD.read_text(encoding="utf-8") == tables.text()
    told = {re.match(r"`(\w+\.csv)`", title)[1]: columns for title, columns in tables.TABLES.items() if ".csv" in title}
    made = {path.name: path for path in sample_run[1].glob("*.csv")}
    assert told.keys() == made.keys()
    for name, path in made.items():
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert next(csv.reader(file)) == [*told[name], "note"]
