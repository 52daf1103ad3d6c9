"""Whole recordings to words by OpenAI's protocol: `POST /v1/audio/transcriptions`."""
