"""Words of live sessions: one recogniser in a process of its own, for all sessions."""
