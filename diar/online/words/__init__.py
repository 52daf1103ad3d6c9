"""The words of one live stream: what to recognise now, which words are certain. It runs no recogniser."""
