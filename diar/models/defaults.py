"""Names of the networks that are used unless others are named; imports nothing."""

DEFAULT_ENCODER = "campplus-zh-en"
DEFAULT_SEGMENTATION = "segmentation-3.0"
DEFAULT_SECOND_SEGMENTATION = "segmentation-2022.07"  # of the second opinion
DEFAULT_WEIGHTS = (DEFAULT_ENCODER, DEFAULT_SEGMENTATION, DEFAULT_SECOND_SEGMENTATION)
