"""Files are put into their place whole, also where a virus scanner of Windows holds one for a moment."""

import errno
import os
import sqlite3
from contextlib import closing

import pytest

from pipeline.errors import os_error_sentence
from pipeline.execution import whole_file
from pipeline.execution.whole_file import delete, move, whole
from pipeline.outputs.swap import swapped


def held_for(monkeypatch, times: int) -> list:
    """Let the first ``times`` moves be refused, as Windows refuses those of a file that another program holds."""
    calls, real = [], os.replace

    def replace(source, target):
        calls.append(target)
        if len(calls) <= times:
            raise PermissionError(errno.EACCES, "Access is denied", str(source), None, str(target))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(whole_file, "WAITS_S", (0, 0))
    return calls


def test_a_file_that_is_held_for_a_moment_is_moved_then(tmp_path, monkeypatch):
    calls = held_for(monkeypatch, 2)
    with whole(tmp_path / "a.csv") as part:
        part.write_text("new")
    assert (tmp_path / "a.csv").read_text() == "new"
    assert len(calls) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_file_that_stays_open_is_left_as_it_was_and_named(tmp_path, monkeypatch):
    (tmp_path / "a.pdf").write_text("old")
    held_for(monkeypatch, 9)
    with pytest.raises(PermissionError) as refused, whole(tmp_path / "a.pdf") as part:
        part.write_text("new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.pdf", "old")]
    assert os_error_sentence(refused.value, "elsewhere") == (
        f"{tmp_path / 'a.pdf'}: Access is denied; close it in other programs or check the permissions there, then run "
        "again"
    )


def test_what_is_not_there_is_deleted_without_a_word_and_cannot_be_moved(tmp_path):
    delete(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        move(tmp_path / "nothing", tmp_path / "something")


def test_what_a_geopackage_is_copied_from_is_not_left_beside_it_where_it_is_held_for_a_moment(tmp_path, monkeypatch):
    held, real = [], os.unlink

    def unlink(path, **where):
        if os.path.exists(path) and path not in held:
            held.append(path)
            raise PermissionError(errno.EACCES, "Access is denied", str(path))
        real(path, **where)

    monkeypatch.setattr(os, "unlink", unlink)
    monkeypatch.setattr(whole_file, "WAITS_S", (0, 0))
    with swapped(tmp_path / "a.gpkg") as raw, closing(sqlite3.connect(raw)) as database:
        database.execute("CREATE TABLE a (b)")
    assert [path.name for path in held] == ["a.raw.gpkg"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.gpkg"]
