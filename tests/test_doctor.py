"""The doctor of the installation: a line for each thing, and what to do about it."""

from pathlib import Path

import pyproj
import pytest

from pipeline.commands import doctor
from pipeline.outputs.sheets import fonts


def remarks(out):
    return {remark.what: remark for remark in doctor.examine(out)}


def test_this_installation_can_do_what_a_run_needs(tmp_path):
    found = remarks(tmp_path / "out")
    drivers = [f"driver {name}" for name in ("COG", "GPKG", "JP2OpenJPEG", "OpenFileGDB")]
    for what in ("Python", "GDAL", "PROJ", *drivers, "writing"):
        assert found[what].ok, found[what]
    assert found["PROJ"].found.startswith(pyproj.proj_version_str)
    assert not (tmp_path / "out").exists()


def test_data_of_another_installation_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "STRAY_DATA", {"PROJ_LIB": "/opt/qgis/share/proj"})
    assert "/opt/qgis/share/proj belongs to another installation" in remarks(tmp_path)["PROJ_LIB"].found


def test_of_a_drive_that_is_not_there_no_space_is_told(tmp_path, monkeypatch):
    is_dir, gone = Path.is_dir, {tmp_path, *tmp_path.parents}
    monkeypatch.setattr(Path, "is_dir", lambda self, **how: self not in gone and is_dir(self, **how))
    assert "disk" not in remarks(tmp_path)


def test_a_folder_that_cannot_be_written_is_told_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    remark = remarks(tmp_path / "file" / "out")["writing"]
    assert not remark.ok
    assert (remark.found + remark.advice).count("--out") == 1


@pytest.mark.parametrize(("what", "limit"), [("memory", "MIN_MEMORY"), ("disk", "MIN_DISK")])
def test_too_little_memory_or_disk_is_told(tmp_path, monkeypatch, what, limit):
    monkeypatch.setattr(doctor, limit, 1 << 60)
    remark = remarks(tmp_path)[what]
    assert not remark.ok
    assert remark.advice


def test_the_font_is_the_one_that_sheets_take(tmp_path, monkeypatch):
    """Where none is installed that is the one that comes with sinkmap; without that one, too, it says what to do."""
    monkeypatch.setattr(fonts, "FAMILIES", ("No Such Font",))
    remark = remarks(tmp_path)["Chinese font"]
    assert (remark.ok, remark.found) == (True, "Noto Sans SC")
    monkeypatch.setattr(fonts, "find_spec", lambda name: None)
    remark = remarks(tmp_path)["Chinese font"]
    assert (remark.ok, remark.found) == (False, "none")
    assert "requirements.lock" in remark.advice


def test_a_driver_that_another_library_stands_in_for_is_no_reason_to_convert(tmp_path):
    assert "convert" not in " ".join(remark.found + remark.advice for remark in remarks(tmp_path).values())


def test_the_operations_page_explains_every_kind_of_finding():
    """A finding that no line explains would leave the technician alone."""
    import re

    root = Path(__file__).parents[1]
    files = [
        root / "pipeline" / "zones" / name
        for name in ("boundary_check.py", "stand_check.py", "finding.py", "shift_check.py")
    ]
    sources = "".join(file.read_text(encoding="utf-8") for file in files)
    kinds = set(re.findall(r'Finding\(\s*"(?:error|warning|note)", "(\w+)"', sources))
    kinds |= set(re.findall(r'tried\("(\w+)"', sources)) | {"overlap", "duplicate", "shift"}
    page = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {"invalid", "gap", "id", "encoding"} < kinds
    assert not {kind for kind in kinds if kind not in page}
