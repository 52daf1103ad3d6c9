"""What launch/ holds is valid: `python -m tests.launch` prints a table of every manifest and recipe."""
