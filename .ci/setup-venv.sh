#!/bin/sh
# Sets up .venv/ from the lock:  sh .ci/setup-venv.sh [dev]      (dev: with what tests, linter and notebooks need)
# PYTHON names the interpreter to use; UV names the uv command, and an empty UV does without it.
set -eu
cd "$(dirname "$0")/.."
trap 'exit 130' INT TERM # some shells would go on to the next attempt after Ctrl-C

case ${1-} in
    '') lock=requirements.lock stamps=.installed ;;
    dev) lock=requirements-dev.lock stamps='.installed .installed-dev' ;; # this lock contains the other one
    *) echo "usage: sh $0 [dev]" >&2 && exit 2 ;;
esac
uv=${UV-uv}

# The shells of GIS suites point Python at their own libraries; pip settings may point installs outside the environment.
unset PYTHONHOME PYTHONPATH PIP_PREFIX PIP_TARGET
export PIP_USER=0

say() { echo "sinkmap: $*" >&2; }

# Prints the interpreter behind a command, if it runs (a pyenv shim may not) and has a version we support. The base
# interpreter, since the command may belong to the very .venv that is about to be replaced.
python_behind() {
    "$1" -c 'import sys
print(getattr(sys, "_base_executable", None) or sys.executable)
sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON-}" ]; then set -- "$PYTHON"; else set -- python3.13 python3.12 python3.11 python3 python; fi
    for candidate; do
        python=$(python_behind "$candidate") && return
    done
    python='>=3.11,<3.14' # for uv, which knows of interpreters outside PATH and downloads one if need be
    [ -z "${PYTHON-}" ]
}

inner() { # Windows has its own place for it
    if [ -d .venv/Scripts ]; then echo .venv/Scripts/python; else echo .venv/bin/python; fi
}

# A set-up that ended well can be brought up to date in place. Any other is built anew: neither pip nor uv notices a
# package of which only half the files were copied.
ended_well() { [ -e .venv/.installed ] && python_behind "$(inner)" >/dev/null && works "$install"; }

works() { "$1" --help >/dev/null 2>&1; }

have_uv() { [ -n "$uv" ] && works "$uv"; }

with_uv() { "$uv" pip install --python "$(inner)" --compile-bytecode "$@"; }

with_pip() { # the environment's own pip or, where it has none, that of the interpreter it was made from (22.3 or later)
    if "$(inner)" -m pip --version >/dev/null 2>&1; then set -- "$(inner)" -m pip install "$@"
    else set -- "$python" -m pip --python "$(inner)" install "$@"; fi
    "$@" --disable-pip-version-check --no-input
}

make_venv() {
    say "setting up .venv with $python, once; this fetches some 300 MB from the package index"
    rm -rf .venv
    if [ "$install" = with_uv ]; then
        "$uv" venv --quiet --python "$python" .venv
        return
    fi
    "$python" -m venv .venv >/dev/null 2>&1 && return
    # Debian keeps ensurepip in a package of its own; without it venv fails and leaves a half-made folder behind.
    rm -rf .venv
    "$python" -m venv --without-pip .venv >/dev/null 2>&1 && works with_pip && return
    rm -rf .venv
    virtualenv --quiet --python "$python" .venv 2>/dev/null && return
    rm -rf .venv
    say "cannot make a virtual environment: install uv, or Python's venv (on Debian and Ubuntu: apt install python3-venv)."
    return 1
}

set_up() { # $1: with_uv or with_pip
    install=$1
    ended_well || make_venv || return
    rm -f .venv/.installed .venv/.installed-dev
    # Wheels only: no compiler is to be expected here, and a build would fetch tools that no lock pins.
    "$install" --require-hashes --only-binary :all: -r "$lock" &&
        "$install" --no-deps --no-build-isolation --editable . || return # built by the setuptools of the lock
    for stamp in $stamps; do : >".venv/$stamp"; done
}

if ! find_python; then
    say "${PYTHON-} does not run or is not Python 3.11, 3.12 or 3.13."
    exit 1
fi
if have_uv; then
    set_up with_uv && exit
    say "uv did not manage"
fi
case $python in
    '>='*) say "needs Python 3.11, 3.12 or 3.13: install one, or name it: make PYTHON=/path/to/python3 ..." && exit 1 ;;
esac
if have_uv; then say "trying pip, whose settings (mirror, certificates) uv does not read"; fi
set_up with_pip
