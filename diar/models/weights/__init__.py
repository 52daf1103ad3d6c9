"""Where weights come from, and what is in their files."""
