#!/usr/bin/env bash
# Install diar with what its tests need into .venv, and run them. Arguments go to pytest.
#
#   bash launch/test.sh
#   bash launch/test.sh tests/detect -k gmm
#   bash launch/test.sh -m slow
#
# Without arguments, slow tests and those of the benchmarks are left out: .ci/run has them after the suite.
# Property tests try the same examples each time; launch/fuzz.sh searches for others.
set -euo pipefail

# shellcheck source=launch/install.sh
source "$(dirname "$0")/install.sh"
install_diar dev
cd "$repository"
"$python" -m ruff check --no-cache . # a cached verdict on imports may be older than the modules
"$python" -m ruff format --check .
"$python" -m mypy
(($#)) || set -- -m "not slow" --ignore=tests/benchmarks
# two processes, each with one test file at a time; tests start further processes themselves
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
