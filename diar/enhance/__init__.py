"""Speech enhancement: noise is taken away before networks hear the audio; no sample moves."""
