"""What the channels of a file hold, and which of them to read."""
