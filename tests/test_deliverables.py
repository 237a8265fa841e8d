"""What the config's ``deliverables`` lists is there, and nothing else of it."""

import pytest
from tiny_world import World

from pipeline.config.run_config import DELIVERABLE_NAMES
from pipeline.outputs.deliverables import FILES


def made(world: World) -> dict[str, list[str]]:
    """The files of each deliverable that there are."""
    return {
        name: sorted(
            str(path.relative_to(world.results))
            for pattern in patterns
            for path in world.results.glob(pattern.format(name="tiny"))
        )
        for name, patterns in FILES.items()
    }


def test_every_deliverable_says_where_its_files_lie():
    assert {*FILES} == {*DELIVERABLE_NAMES}


@pytest.mark.slow
def test_what_the_config_no_longer_lists_is_deleted_and_nothing_else(tmp_path):
    world = World.finished(tmp_path)
    world.settings |= {"deliverables": list(DELIVERABLE_NAMES), "uncertainty": {"draws": 100}}
    world.write_config()
    world.run()
    everything = made(world)
    assert all(everything.values())
    mine = [world.results / name for name in ("mine.xlsx", "mine.qgz", "zones/G01/notes.pdf")]
    for path in mine:
        path.write_text("of the user's own")
    before = {path.relative_to(world.results) for path in world.results.rglob("*") if "work" not in path.parts}

    world.settings["deliverables"] = ["workbook"]
    world.write_config()
    world.run()
    assert made(world) == {name: everything[name] if name == "workbook" else [] for name in FILES}
    after = {path.relative_to(world.results) for path in world.results.rglob("*") if "work" not in path.parts}
    gone = {name for files in everything.values() for name in files} - set(everything["workbook"])
    assert {str(path) for path in before - after if "_class_" not in path.name} == {
        name for name in gone if "_class_" not in name
    }
    assert all(path.read_text() == "of the user's own" for path in mine)
    assert not list(world.results.glob("zones/*/*_class_*"))
