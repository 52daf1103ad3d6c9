"""Speech recognition: pieces of speech to words with times. Engines behind one protocol."""
