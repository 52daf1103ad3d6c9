"""What stage 1 will cost."""
