"""`diar words`: what was said in an archive, and by whom."""
