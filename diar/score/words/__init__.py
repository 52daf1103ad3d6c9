"""Words with speakers against a reference."""
