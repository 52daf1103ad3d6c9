"""Results measured against a truth."""
