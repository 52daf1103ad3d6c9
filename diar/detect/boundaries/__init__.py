"""Between files: where one speaker's block of recordings ends and the next begins."""
