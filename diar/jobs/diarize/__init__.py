"""Both stages in one command."""
