"""Live diarization: the state of one stream, from samples as they come to events; no sockets, no files."""
