"""Text to speech beside diarization: `POST /v1/audio/speech` by OpenAI's protocol."""
