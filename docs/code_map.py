"""Write ``code.md``, which file of the code does what, from what the files say of themselves."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipeline"
CODE_MD = Path(__file__).with_name("code.md")
HEAD = """# Map of the code

Which file of `pipeline/` does what, in the words of the file itself. Start with `flow.py`: it holds the four stages in
order. Imports point down only, what is called pure reads no file, and nothing but the top knows the config: tests hold
all three (`tests/test_layering.py`). Written by `python docs/code_map.py`.
"""
GROUPS = {
    "The way of the data": "flow run inputs units work tile_year calibration publish record plan",
    "The command line": "__main__ terminal screen scene_commands questions doctor",
    "The config": "config config_section input_config cover_config yaml_file",
    "Boundaries and stands": "zone zones counted_zones vector_file file_parts crs_check boundary_check finding "
    "shift_check boundary_shift overlaps area_ledger stands zone_stands",
    "Scenes": "scene season layouts catalog admission integrity stac_api listing harmonise sensor_error same_day "
    "scene_quality hdfeos reflectance",
    "Satellite products": "sensors",
    "Pixels": "blocks indices composite composite_methods median bright_soil clear_means cube coverage zone_coverage "
    "land_cover shrub_ground zone_pixels map_layer encoding regions",
    "Cover, biomass, carbon": "variables vegetation ecosystems carbon zone_model sketch sketch_file totals "
    "group_totals separate cover_classes comparability plausibility targets",
    "Uncertainty": "uncertainty varying realisations intervals pixel_error",
    "What is delivered": "results note deliverables outputs tables patches suggestions styles",
    "Questions to a finished run": "finished explain explain_group formulas what_if run_difference attribution "
    "kept_pixels fit plots",
    "What the rest stands on": "engine cores ctrl_c compiled provenance output_folder whole_file errors",
}
"""Titles with modules and folders of the package, in the order in which they are met."""


def files_of(group: str) -> list[Path]:
    """The files that a group names; of a folder all of them."""
    found = []
    for name in group.split():
        folder = PACKAGE / name
        found += sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{name}.py"]
    return found


def sentence(file: Path) -> str:
    """The first sentence of a file's docstring."""
    text = " ".join(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))).partition("\n\n")[0].split())
    return re.split(r"\. (?=[A-Z])", text)[0].removesuffix(".").replace("``", "`").replace("|", "\\|")


def text() -> str:
    """The whole document."""
    parts = [HEAD]
    for title, group in GROUPS.items():
        rows = (f"| `{file.relative_to(PACKAGE).as_posix()}` | {sentence(file)} |\n" for file in files_of(group))
        parts.append(f"## {title}\n\n| file | what it does |\n|---|---|\n{''.join(rows)}")
    return "\n".join(parts)


if __name__ == "__main__":
    CODE_MD.write_text(text(), encoding="utf-8", newline="\n")
