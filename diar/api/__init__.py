"""What `import diar` offers: one recording or a whole extraction, from Python."""
