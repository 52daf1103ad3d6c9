"""Segmentation by WavLM and a Conformer: checkpoints of DiariZen and SUPlime."""
