"""Speaker encoders."""
