"""A page of HTML in one file: text, pictures by their place, tables that sort and search."""
