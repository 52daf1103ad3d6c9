"""Which options of stage 2 suit recordings whose turns are known."""
