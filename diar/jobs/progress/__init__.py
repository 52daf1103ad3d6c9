"""How far a run is, and what bounds it."""
