"""Who calls, what they may do, how much of it, and what is written down of it."""
