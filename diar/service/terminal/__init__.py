"""`diar live`: a client of `diar serve` in a terminal."""
