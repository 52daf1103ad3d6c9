"""What stage 2 leaves on disk: results, speaker folders, plots."""
