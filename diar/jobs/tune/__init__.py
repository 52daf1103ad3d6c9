"""`diar tune`: thresholds of stage 2 that suit an archive, and how sure that is."""
