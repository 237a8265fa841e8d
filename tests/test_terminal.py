"""What the commands print: paths and names as they are, whatever the terminal or the file behind it."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import write_item
from rich.table import Table
from ruamel.yaml import YAML
from tiny_world import ROOT, World, child_environment

from pipeline.__main__ import _print_notes
from pipeline.commands.questions import _difference_table
from pipeline.commands.screen import RESULT_SHOWN, boundary_tables, result_table
from pipeline.commands.terminal import console
from pipeline.questions.attribution import FACTORS
from pipeline.scenes.scene import SetAside
from pipeline.zones.finding import Finding


@pytest.mark.parametrize("path", ["/data/[s2]/a.tif", "/data/[/s2]/a.tif", "/data/[red]/a.tif", "/data/:apple:/a.tif"])
def test_brackets_and_colons_of_a_path_are_printed(capsys, path):
    _print_notes(SimpleNamespace(notes=[path], set_aside=[SetAside("A", f"{path}: cannot be read")]))
    table = Table("zone", title=path)
    table.add_row(path)
    console.print(table)
    assert capsys.readouterr().out.count(path) == 4


def test_no_text_of_others_commands_the_terminal(tmp_path, sinkmap):
    """The id of an item may clear the screen with what was said before, or set the clipboard."""
    write_item(
        tmp_path, "A", properties={"earthsearch:boa_offset_applied": None}, id="A\x1b[2J\x1b]52;c;eA==\x07\x9b1m"
    )
    done = sinkmap("scenes", tmp_path)
    assert "A\ufffd[2J\ufffd]52;c;eA==\ufffd\ufffd1m: refused" in done.out


def test_the_block_for_the_config_can_be_copied_from_a_narrow_terminal(tmp_path, monkeypatch, sinkmap):
    world = World.finished(tmp_path)
    world.settings["cover"] = {"grassland": {"end_members": "calibrate"}}
    world.write_config()
    monkeypatch.setattr(console, "_width", 60)
    done = sinkmap("calibrate", world.config, "--out", world.out)
    block, closing = done.out.split("config:\n")[1].split("Stage calibrate")
    assert set(YAML(typ="safe").load(block)["cover"]["grassland"]["end_members"]) == {"soil", "vegetation"}
    assert str(world.results / "work") in closing


def test_what_goes_to_a_file_is_utf_8_whatever_the_code_page(tmp_path):
    """As Windows has it for the output of a child: Western letters alone, or GBK, which no reader of JSON expects."""
    folder = tmp_path / "片区±"
    folder.mkdir()
    for encoding, arguments, code, text in (
        ("cp1252", ["scenes", folder], 0, "产品 product"),
        ("gbk", ["scenes", folder / "无"], 4, f"Error: {folder / '无'}: there is no such scene folder"),
        ("gbk", ["schema"], 0, '"description"'),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *map(str, arguments)], cwd=ROOT, capture_output=True, check=False,
            env=child_environment() | {"PYTHONIOENCODING": encoding}, timeout=180,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert text in (done.stdout + done.stderr).decode("utf-8")


@pytest.mark.parametrize("arguments", [["doctor"], ["--help"], ["zones", "--help"]])
def test_where_nobody_reads_what_is_printed_nothing_is_said_of_it(arguments):
    """As after `sinkmap explain ... | more`, left early."""
    done = subprocess.Popen([sys.executable, "-m", "pipeline", *arguments], cwd=ROOT, env=child_environment(),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    done.stdout.close()
    assert (done.wait(120), done.stderr.read()) == (1, "")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on Windows")
def test_a_terminal_whose_code_page_lacks_a_sign_shows_its_number(tmp_path):
    """GBK has no 𬭎 (U+2CB4E); NUL passes for a terminal on Windows, with the code page of the machine."""
    ours, theirs = os.openpty()
    arguments = ("-m", "pipeline", "doctor", "--out", str(tmp_path / "片区𬭎"))
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, check=False,
        env=child_environment() | {"PYTHONIOENCODING": "gbk", "COLUMNS": "200"}, timeout=180,
    )  # fmt: skip
    os.close(theirs)
    printed = os.read(ours, 1 << 16).decode("gbk")
    os.close(ours)
    assert done.returncode == 0, done.stderr.decode()
    assert r"片区\U0002cb4e" in printed


def test_chinese_without_spaces_is_wrapped_and_not_cut(capsys, monkeypatch):
    """The sentence of a finding to its end, which says what to do, and the reason of a sink that is not there."""
    monkeypatch.setattr(console, "_width", 120)
    finding = Finding(
        "note", "volume", "stands", "-", "该文件小班活立木蓄积共2256026立方米，" * 4 + "误用小班蓄积时大许多倍"
    )
    console.print(*boundary_tables([finding]))
    told = {
        "level": "zone", "zone_id": "W02", "name_zh": "大青山国有林场青山分场",
        "status_zh": "正常；植被类型未给出，按芦苇沼泽计；时段仅2年，少于3年，不计碳汇",
    }  # fmt: skip
    console.print(result_table([dict.fromkeys(RESULT_SHOWN) | told], "", 120))
    assert "…" not in capsys.readouterr().out


def test_clauses_of_a_status_begin_lines_and_their_numbers_stay_whole(capsys, monkeypatch):
    monkeypatch.setattr(console, "_width", 120)
    forest = {
        "level": "ecosystem", "zone_id": "forest", "name_zh": "森林合计", "area_wanmu": 309.0, "carbon_tC": 4_056_895.0,
        "observed_fraction": 1.0, "fvc_mean": 0.68, "carbon_tC_ha": 19.69, "sink_tCO2_yr": 117_186.0,
        "sink_tCO2_yr_low95": -191_228.0, "sink_tCO2_yr_high95": 434_965.0, "sink_finding_zh": "变化不显著",
        "status_zh": "1/12个片区有条件可比；1/12个片区超出常见范围",
    }  # fmt: skip
    console.print(result_table([dict.fromkeys(RESULT_SHOWN) | forest], "", 120))
    assert capsys.readouterr().out.count("1/12个") == 2


def test_a_figure_of_millions_of_tonnes_stays_on_one_line_of_the_differences(capsys):
    parts = dict.fromkeys(FACTORS, 0.0) | {"boundary": -0.004, "clear_pixels_and_cover": None}
    row = {"zone_id": "F01", "before": 11_421_239.51, "after": 11_440_434.05, "change": 19_194.54}
    run = SimpleNamespace(record={"note": ""})
    console.print(_difference_table("carbon_tC", [row | parts], run))
    printed = capsys.readouterr().out
    assert all(told in printed for told in ("11,421,240", "11,440,434", "+19,195", "-0.00"))


def test_the_rounding_of_a_sum_is_no_change_between_two_runs(capsys):
    """What sums of floats leave of nothing read -0.00 t, as if the program had changed."""
    parts = dict.fromkeys(FACTORS) | {"stands": 4653.1, "coefficients": 5.8e-11, "code": -5.8e-11}
    row = {"zone_id": "F01", "before": 366_587.8, "after": 371_240.9, "change": 4653.1}
    console.print(_difference_table("carbon_tC", [row | parts], SimpleNamespace(record={"note": ""})))
    assert "0.00" not in capsys.readouterr().out
