#!/usr/bin/env bash
# Search for new examples that break a property: test.sh tries the same ones each time. Arguments go to pytest.
#
#   bash launch/fuzz.sh
#   bash launch/fuzz.sh tests/detect
#
# It stops after SEARCH_SECONDS (600), or at the first failure. That is printed with a line for the test
# (@example, or @reproduce_failure), kept in .hypothesis, and tried first the next time. Without arguments, a third of
# the time goes to changed files first (tests/fuzz); a finding names the seed and case that give it again.
set -euo pipefail

# shellcheck source=launch/install.sh
source "$(dirname "$0")/install.sh"
install_diar dev
cd "$repository"
limit=${SEARCH_SECONDS:-600} status=0
if (($# == 0)); then
    OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$python" -m tests.fuzz --seconds "$((limit / 3))"
    limit=$((limit - limit / 3))
fi
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} timeout --kill-after=20 "$limit" \
    "$python" -m pytest -n 2 -x -q -m hypothesis --hypothesis-profile=search "$@" || status=$?
if ((status == 124)); then
    echo "stopped after $limit s: nothing was found in what was tried so far"
    status=0
fi
exit "$status"
