# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: `install_diar EXTRAS` makes .venv in the repository and installs diar.
#
# PYTHON=python3.12   another interpreter (3.10 or newer)

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$repository/.venv"
python="$venv/bin/python"

install_diar() {
    local extras=$1 stamp="$venv/.installed-$1"
    # the stamp names the repository, which may have been moved since
    if [[ -f $stamp && $(<"$stamp") == "$repository" && $stamp -nt $repository/pyproject.toml &&
        $stamp -nt $repository/constraints.txt ]]; then
        return
    fi
    make_venv
    echo "installing diar into $venv (a few minutes the first time) ..." >&2
    install_torch
    # quiet twice, as setuptools warns about every editable installation
    (cd "$repository" && "$python" -m pip install --quiet --quiet -c constraints.txt -e ".[$extras]")
    printf '%s' "$repository" >"$stamp"
}

make_venv() {
    local interpreter=${PYTHON:-python3}
    if ! "$interpreter" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "error: $interpreter is not Python 3.10 or newer; name one that is: PYTHON=python3.12 bash $0" >&2
        exit 2
    fi
    if [[ ! -x $python ]] && ! "$interpreter" -m venv "$venv"; then
        rm -rf "$venv"
        echo "error: $interpreter cannot make virtual environments (on Debian: apt install python3-venv)" >&2
        exit 2
    fi
    # older versions of pip have no --report, and cannot read all of our metadata
    "$python" -m pip install --quiet --upgrade 'pip>=24'
}

# Without an NVIDIA GPU, install PyTorch's CPU build where possible: CUDA's libraries take gigabytes
install_torch() {
    local torch
    torch=$(grep '^torch==' "$repository/constraints.txt")
    if "$python" -c 'import torch' 2>/dev/null; then
        return
    fi
    if nvidia-smi -L >/dev/null 2>&1 || ! brings_cuda "$torch"; then
        "$python" -m pip install --quiet "$torch"
        return
    fi
    "$python" -m pip install --quiet uv # it knows where PyTorch keeps its CPU builds
    if ! "$venv/bin/uv" pip install --quiet --python "$python" --torch-backend cpu "$torch"; then
        echo "no CPU build of $torch can be had from here: installing the CUDA build, several gigabytes" >&2
        "$python" -m pip install --quiet "$torch"
    fi
}

brings_cuda() {
    local report
    report=$("$python" -m pip install --quiet --dry-run --ignore-installed --report - "$1") &&
        grep -q '"name": "nvidia-' <<<"$report"
}
