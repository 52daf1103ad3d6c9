"""Decoding: several recordings at a time, ahead of the networks, with an end to waiting."""
