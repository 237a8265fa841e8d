"""What the commands print: paths and names as they are, whatever the terminal or the file behind it."""

from types import SimpleNamespace

import pytest
from rich.table import Table

from pipeline.__main__ import _print_notes
from pipeline.scene import SetAside
from pipeline.terminal import console


@pytest.mark.parametrize("path", ["/data/[s2]/a.tif", "/data/[/s2]/a.tif", "/data/[red]/a.tif", "/data/:apple:/a.tif"])
def test_brackets_and_colons_of_a_path_are_printed(capsys, path):
    _print_notes(SimpleNamespace(notes=[path], set_aside=[SetAside("A", f"{path}: cannot be read")]))
    table = Table("zone", title=path)
    table.add_row(path)
    console.print(table)
    assert capsys.readouterr().out.count(path) == 4
