#!/usr/bin/env python3
"""Stage 1: an archive of audio files to speaker embeddings in Parquet, on all GPUs or on the CPU."""

import sys

from diar.jobs.extract.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], prog="extract_embeddings_multigpu.py"))
