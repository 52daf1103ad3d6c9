"""What computes live sessions: threads and processes, with the engine of the streams."""
