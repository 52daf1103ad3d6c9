"""`index.html`: one look at a result, from the files that stage 2 left."""
