"""What people open: result JSON, speaker folders, plots."""
