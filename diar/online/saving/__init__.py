"""The state of a stream as bytes."""
