"""Where speech is, and who of the local speakers it is from."""
