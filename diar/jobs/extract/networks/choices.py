"""What is said of options: those that belong to an extraction's identity, and those that do nothing."""

from __future__ import annotations

from diar.jobs.extract.config import ExtractConfig
from diar.jobs.long_runs import void_options
from diar.options.base import no_effect


def describe_choices(config: ExtractConfig) -> dict[str, str | bool]:
    """Return how noise and echo were taken away, and another backend than torch's.

    Extractions without that do not mention it.
    """
    said: dict[str, str | bool] = {"aec": True} if config.aec else {}
    if config.backend != "torch":
        said["backend"] = config.backend
    if config.enhance == "none":
        return said
    return {"enhance": config.enhance, "enhance_for": config.enhance_for, **said}


def options_without_effect(config: ExtractConfig) -> list[str]:
    """Return a warning for each option that was changed although another one makes it void."""
    void = void_options(config, config.output_dir)
    if config.enhance == "none":
        void["enhance_for"] = "with --enhance none"
    if config.pipeline is None:
        void["pipeline_sees"] = "without --pipeline"
    elif config.pipeline_sees == "seg_windows":
        alone = ("speech", "second_segmentation", "step", "silence_margin", "chunk")
        void |= dict.fromkeys(alone, "with --pipeline_sees seg_windows")
    if config.channel not in ("auto", "each"):
        void["aec"] = f"with --channel {config.channel}"
    if config.segmentation == "none":
        named = ("speech", "second_segmentation", "step", "silence_margin")
        void |= dict.fromkeys(named, "with --segmentation none")
        if config.enhance_for == "segmentation":
            void["enhance"] = "with --enhance_for segmentation and --segmentation none"
    elif config.speech == "segmentation":
        void["second_segmentation"] = "with --speech segmentation"
    changed = {
        name: getattr(config, name)
        for name in void
        if getattr(config, name) != ExtractConfig.model_fields[name].default
    }
    return [
        no_effect(name if value is True else f"{name} {value}", void[name]) for name, value in changed.items()
    ]
