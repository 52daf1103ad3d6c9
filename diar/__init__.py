"""diar: who spoke, in an archive too large to listen to."""

__version__ = "0.1.0"
