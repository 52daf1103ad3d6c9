"""Networks and their front end; the only package that defines torch modules."""
