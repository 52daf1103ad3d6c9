"""Messages of all topics: parsed and checked where they come in, made where they go out."""
