"""A labelled demo archive by speech synthesis."""
