"""Live sessions: audio in, events out, over WebSocket and HTTP; saved so that another replica can go on."""
