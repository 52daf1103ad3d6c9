"""The processes of a run: who starts, claims and ends what."""
