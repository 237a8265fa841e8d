"""What is shown to the reader is what the code does: notebooks run, the README keeps step."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.config import RunConfig

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_results_of_the_sample(path, sample_run, monkeypatch):
    monkeypatch.setenv("SINKMAP_RUN", str(sample_run[1]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(nbformat.read(path, as_version=4), timeout=120).execute()


def test_every_config_key_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [key for key in RunConfig.model_fields if not re.search(rf"`{key}[.`]", readme)] == []


def test_files_that_the_readme_names_are_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#:]+)\)|`((?:configs|docs|pipeline|data)/[\w./-]+)`", readme)
    assert [path for pair in named for path in pair if path and not (ROOT / path).exists()] == []


def test_the_tables_of_the_method_are_those_of_the_coefficient_files():
    """Mend: python docs/method_tables.py"""
    spec = importlib.util.spec_from_file_location("method_tables", ROOT / "docs" / "method_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = tables.METHOD.read_text(encoding="utf-8")
    assert text == tables.with_tables(text)
