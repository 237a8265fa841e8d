"""The files that install sinkmap agree with each other, and the set-up script copes with poor machines."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
BUILD = [Requirement(text) for text in GROUPS["build"]]
DEV = [Requirement(text) for text in GROUPS["dev"] if isinstance(text, str)]
CONDA_NAMES = {"xxhash": "python-xxhash"}  # where conda-forge has another one
STAGES = ["zones", "composite", "calibrate", "map", "publish"]
TARGETS = [
    "help",
    *STAGES,
    "plan",
    "check",
    "doctor",
    "test",
    "lint",
    "bench",
    "notebooks",
    "sample",
    "pictures",
    "lock",
    "clean",
]

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
needs_sh = pytest.mark.skipif(os.name == "nt" or not shutil.which("sh"), reason="no POSIX shell")


def pins(lock: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package of a lock."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text("utf-8")):
        if match := re.match(r"([a-z0-9.-]+)==(\S+)", block):
            assert match[1] not in found, f"{match[1]} stands twice in {lock}: one version for every Python"
            found[canonicalize_name(match[1])] = match[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block))
    return found


def test_conda_environment_names_the_same_dependencies():
    environment = YAML(typ="safe").load(ROOT / "environment.yml")
    assert [channel for channel in environment["channels"] if channel != "nodefaults"] == ["conda-forge"]
    *named, from_pypi = environment["dependencies"]
    conda = {str(Requirement(text)) for text in [*named, *from_pypi["pip"]]}
    ours = {f"{CONDA_NAMES.get(r.name, r.name)}{r.specifier}" for r in RUNTIME + BUILD + DEV}
    assert conda - ours == {"pip", f"python{Requirement('python' + PROJECT['project']['requires-python']).specifier}"}
    assert ours <= conda


def test_build_backend_is_the_one_that_the_lock_pins():
    assert PROJECT["build-system"]["requires"] == GROUPS["build"]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("requirements.lock", RUNTIME + BUILD), ("requirements-dev.lock", RUNTIME + BUILD + DEV)],
)
def test_lock_pins_every_direct_dependency_with_hashes(lock, wanted):
    locked = pins(lock)
    for requirement in wanted:
        pinned, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned), f"{requirement} is not what {lock} pins: make lock"
    assert [name for name, (_, hashes) in locked.items() if not hashes] == []


def test_users_and_developers_run_the_same_versions():
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
    assert not {"pytest", "ruff", "ipykernel"} & pins("requirements.lock").keys()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_names_no_machine(lock):
    text = (ROOT / lock).read_text("ascii")
    assert re.findall(r"^.*(?:://|file:|(?:^|\s)(?:/|~|[A-Za-z]:\\)|\\\w|@).*$", text, re.M) == []
    assert re.findall(r"^-.*$", text, re.M) == []  # an option such as --index-url


def test_every_direct_dependency_is_accounted_for():
    page = (ROOT / "docs/decisions/0001-dependencies.md").read_text("utf-8")
    lines = [line.strip("| ") for line in page.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    table = {row[0]: row[1:] for row in rows if row[0] != "Package"}
    assert table.keys() == {requirement.name for requirement in RUNTIME + BUILD + DEV}
    assert all(len(cells) == 4 and all(cells) for cells in table.values())


def test_every_import_of_the_package_is_declared():
    imported = set()
    for file in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module)
    # odc-geo holds odc.geo, pystac-client pystac_client, python-docx docx
    names = [requirement.name.removeprefix("python-") for requirement in RUNTIME]
    declared = {name.replace("-", sign) for name in names for sign in "._"}
    known = declared | set(sys.stdlib_module_names) | {"pipeline"}
    assert [name for name in sorted(imported) if not any(f"{name}.".startswith(f"{root}.") for root in known)] == []


def test_installed_version_and_command():
    import pipeline

    try:
        installed = version("sinkmap")
    except ModuleNotFoundError:
        pytest.skip("the tests run on the dependencies alone")
    assert installed == pipeline.__version__
    [command] = entry_points(group="console_scripts", name="sinkmap")
    assert callable(command.load())


def test_stray_proj_and_gdal_folders_do_no_harm():
    stray = dict.fromkeys(["PROJ_LIB", "PROJ_DATA", "GDAL_DATA"], os.fspath(ROOT / "no such folder"))
    code = "import pipeline, rasterio.crs, pyproj; print(rasterio.crs.CRS.from_epsg(4490), pyproj.CRS(4490).to_epsg())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | stray, capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["EPSG:4490", "4490"], "")


# The Makefile


def make(*arguments: str) -> str:
    inherited = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")  # these tests may themselves be run by make
    clean = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=clean, capture_output=True, encoding="utf-8", check=True
    ).stdout


@needs_make
def test_make_alone_lists_the_targets():
    assert re.findall(r"^  (\w+) +\S", make(), re.M) == TARGETS
    assert make() == make("help")


@needs_make
@pytest.mark.parametrize("stage", STAGES)
def test_stage_passes_only_the_variables_that_are_set(stage):
    bare = make("-n", stage).splitlines()[-1].split()
    assert bare[1:] == ["-m", "pipeline", stage, '"configs/sample.yaml"']
    full = make("-n", stage, "CONFIG=a.yaml", "ZONE=昆区 1", "YEAR=2020", "WORKERS=2", "CLUSTER=tcp://host:8786")
    assert full.splitlines()[-1].split()[1:] == [
        *("-m", "pipeline", stage, '"a.yaml"', "--zone", '"昆区', '1"', "--year", '"2020"', "--workers", '"2"'),
        *("--cluster", '"tcp://host:8786"'),
    ]


# The set-up script, with interpreters and installers that only pretend

PYTHON = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
    -c*) echo "$0" ;;                                                          # what interpreter, and is it ours?
    "-m venv .venv") mkdir -p .venv/bin && touch .venv/bin/half && exit 1 ;;   # Debian without ensurepip
    "-m venv --without-pip .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/python3 ;;
    "-m pip --python"*--require-hashes*) [ -z "${OFFLINE-}" ] ;;
    "-m pip --python"*) [ -z "${NO_PIP-}" ] ;;
    *) exit 1 ;;
esac
"""
BROKEN = "#!/bin/sh\nexit 127\n"
UV_WITHOUT_NETWORK = """#!/bin/sh
case "$*" in
    --help) ;;
    venv*) mkdir -p .venv/bin && touch .venv/bin/of-uv ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def poor_machine(tmp_path):
    """Runs the set-up script in a folder of its own, with nothing on PATH but basic tools and pretended commands."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for tool in ("sh", "cp", "dirname", "mkdir", "rm", "touch"):
        (commands / tool).symlink_to(shutil.which(tool))
    home = tmp_path / "碳汇 项目"
    (home / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/setup-venv.sh", home / ".ci")

    def run(*arguments, environment=None, **pretended):
        for name, script in pretended.items():
            command = commands / name.replace("_", ".")
            command.write_text(script)
            command.chmod(0o755)
        (tmp_path / "calls").write_text("")
        done = subprocess.run(
            ["sh", home / ".ci/setup-venv.sh", *arguments],
            env={"PATH": os.fspath(commands), "CALLS": os.fspath(tmp_path / "calls"), **(environment or {})},
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        done.calls = (tmp_path / "calls").read_text()
        done.stamps = sorted(path.name for path in home.glob(".venv/.installed*"))
        done.home = home
        return done

    return run


@needs_sh
def test_setup_without_ensurepip_uses_the_outer_pip(poor_machine):
    done = poor_machine("dev", python3_13=BROKEN, python3_12=BROKEN, python3_11=PYTHON)
    assert (done.returncode, done.stamps) == (0, [".installed", ".installed-dev"]), done.stderr
    assert not (done.home / ".venv/bin/half").exists()
    assert "-m pip --python .venv/bin/python install --require-hashes" in done.calls
    assert "-r requirements-dev.lock" in done.calls
    assert "--no-deps --no-build-isolation --editable ." in done.calls


@needs_sh
def test_setup_that_did_not_end_is_built_anew(poor_machine):
    done = poor_machine(python3=PYTHON, environment={"OFFLINE": "1"})
    assert (done.returncode, done.stamps) == (1, [])
    (done.home / ".venv/bin/half-copied").touch()
    assert poor_machine(python3=PYTHON).stamps == [".installed"]
    assert not (done.home / ".venv/bin/half-copied").exists()


@needs_sh
def test_new_lock_is_installed_in_place(poor_machine):
    done = poor_machine("dev", python3=PYTHON)
    (done.home / ".venv/bin/of-the-user").touch()
    again = poor_machine(python3=PYTHON)
    assert (again.stamps, "-m venv" in again.calls) == ([".installed"], False)  # and the developers' lock when needed
    assert (done.home / ".venv/bin/of-the-user").exists()
    assert poor_machine(python3=PYTHON, environment={"OFFLINE": "1"}).stamps == []


@needs_sh
def test_pip_takes_over_where_uv_cannot_install(poor_machine):
    done = poor_machine(uv=UV_WITHOUT_NETWORK, python3=PYTHON)
    assert (done.returncode, done.stamps) == (0, [".installed"]), done.stderr
    assert not (done.home / ".venv/bin/of-uv").exists()


@needs_sh
@pytest.mark.parametrize(
    ("pretended", "environment", "says"),
    [
        ({"python3": BROKEN}, {}, "needs Python 3.11, 3.12 or 3.13"),
        ({"python3": PYTHON}, {"PYTHON": "python3.9"}, "python3.9 does not run or is not Python 3.11"),
        ({"python3": PYTHON}, {"NO_PIP": "1"}, "install uv, or Python's venv"),
    ],
)
def test_setup_that_cannot_succeed_says_what_is_missing(poor_machine, pretended, environment, says):
    done = poor_machine(environment=environment, **pretended)
    assert (done.returncode, done.stamps) == (1, [])
    assert says in done.stderr.splitlines()[-1]
    assert not (done.home / ".venv").exists()
