"""The fast part: what each hop hears, and whose voices it takes them for."""
