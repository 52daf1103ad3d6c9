"""Verify, repair and purge what the stages wrote (docs/custody.md)."""
