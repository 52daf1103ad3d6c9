"""A whole archive, by many processes, told to a terminal."""
