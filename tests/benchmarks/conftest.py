"""Benchmarks are scripts that import each other by name: their folder is on the path here, too."""

import sys

from tests.commands import ROOT

sys.path.append(str(ROOT / "benchmarks"))
