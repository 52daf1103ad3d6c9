"""The networks of stage 1: opened as options ask for, and what is said of how they are run."""
