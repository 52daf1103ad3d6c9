#!/usr/bin/env python3
"""Stage 2: stored embeddings to speaker boundaries, one folder per speaker, result JSON and plot."""

import sys

from diar.jobs.detect.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], prog="detect_boundaries.py"))
