"""Write ``code.md``, which file of the code does what, from the docstrings of the files."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipeline"
CODE_MD = Path(__file__).with_name("code.md")
HEAD = """# Map of the code

Which file of `pipeline/` does what, in the words of the file itself. Start with `flow.py`: it holds the four stages in
order. Imports point down only, also from folder to folder; modules listed as pure read no file; nothing below the run
imports the config. Tests check all of this (`tests/test_layering.py`). Written by `python docs/code_map.py`.
"""
TABLE = "| file | what it does |\n|---|---|\n"
TOP = {
    "The way of the data": "flow run inputs units work calibration publish record plan __main__",
    "What the field's words mean": "variables vegetation carbon blocks frozen yaml_file errors",
}
"""Files of the package itself, in the order in which they are met."""
FOLDERS = (
    "commands", "config", "zones", "scenes", "compositing", "ecosystems", "stock", "uncertainty", "mapping", "totals",
    "outputs", "questions", "execution",
)  # fmt: skip
"""Folders of the package, in the order in which their contents are met."""


def files() -> list[Path]:
    """All files that the map names."""
    named = [PACKAGE / f"{name}.py" for names in TOP.values() for name in names.split()]
    return named + [file for folder in FOLDERS for file in (PACKAGE / folder).rglob("*.py")]


def sentence(file: Path) -> str:
    """The first sentence of a file's docstring."""
    text = " ".join(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))).partition("\n\n")[0].split())
    return re.split(r"\. (?=[A-Z])", text)[0].removesuffix(".").replace("``", "`").replace("|", "\\|")


def rows(found: list[Path], folder: Path) -> str:
    """A table of files, by their place in the folder."""
    lines = (f"| `{file.relative_to(folder).as_posix()}` | {sentence(file)} |\n" for file in found)
    return TABLE + "".join(lines)


def section(folder: Path) -> str:
    """What a folder is for, and its files."""
    found = sorted(set(folder.rglob("*.py")) - {folder / "__init__.py"})
    return f"## `{folder.name}/`\n\n{sentence(folder / '__init__.py')}.\n\n{rows(found, folder)}"


def text() -> str:
    """The whole document."""
    top = (f"## {title}\n\n{rows([PACKAGE / f'{name}.py' for name in names.split()], PACKAGE)}"
           for title, names in TOP.items())  # fmt: skip
    first, last = top
    return "\n".join([HEAD, first, *(section(PACKAGE / name) for name in FOLDERS), last])


if __name__ == "__main__":
    CODE_MD.write_text(text(), encoding="utf-8", newline="\n")
