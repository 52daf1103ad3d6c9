"""Typed options: defaults, YAML and the command line fill one configuration."""
