"""Speech made to measure: synthesizers behind one protocol, and labelled conversations of their voices."""
