"""Looking at outputs, and setting what is damaged to be done again."""
