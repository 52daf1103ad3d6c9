"""Words and speakers: which words were said, and by whom. No engine, no file, no terminal."""
