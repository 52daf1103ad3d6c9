"""Where audio files are: storage, listing, decoding."""
