"""Files and folders that other runtimes read."""
