"""Who is at work in a folder, be it on a disk or in an object store, and whose the work is."""
