#!/usr/bin/env bash
# Install diar with what its tests need into .venv, and run them. Arguments go to pytest.
#
#   bash launch/test.sh
#   bash launch/test.sh tests/detect -k gmm
#
# Property tests try the same examples each time; launch/fuzz.sh searches for others.
set -euo pipefail

# shellcheck source=launch/install.sh
source "$(dirname "$0")/install.sh"
install_diar dev
cd "$repository"
"$python" -m ruff check --no-cache . # a cached verdict on imports outlives the modules it was made without
"$python" -m ruff format --check .
"$python" -m mypy
# a file of tests at a time in each of two processes, in which several share the cores already
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
