"""`diar fuse`: two extractions of the same recordings by two encoders become one."""
