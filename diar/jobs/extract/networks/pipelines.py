"""A pipeline of pyannote.audio in stage 1: how its networks are run, and what stage 2 needs of it."""

from __future__ import annotations

import io
from dataclasses import asdict
from functools import partial
from typing import Any, cast

import numpy as np

from diar.detect.clustering.plda import PldaError
from diar.detect.community.settings import pyannote_plda
from diar.embedding.chunks import ChunkSettings
from diar.embedding.embedder import LocalMasks
from diar.embedding.masks import local_speaker_masks, seg_window_masks
from diar.embedding.networks import Models, speech_settings
from diar.embedding.settings import AskedSpeech, SpeechSettings
from diar.jobs.extract.config import ExtractConfig
from diar.models.encoders.base import ModelError
from diar.models.pipelines.open import Pipeline
from diar.models.segmentation.base import SegmentationModel
from diar.models.weights.checksum import file_sha256


def runs_alone(config: ExtractConfig, models: Models) -> Pipeline | None:
    """Return the pipeline whose seg_windows are each seen alone; None where chunks are seen."""
    return models.pipeline if config.pipeline_sees == "seg_windows" else None


def chunk_settings(config: ExtractConfig, models: Models) -> ChunkSettings:
    """Return how recordings are cut.

    Raises:
        ModelError: sliding windows that do not fit.
    """
    rate, pipeline = models.encoder.fbank.sample_rate, runs_alone(config, models)
    if pipeline is None:
        return ChunkSettings.from_seconds(rate, config.chunk, config.window, config.hop)
    seg_window, step = pipeline.segmentation.seg_window_samples, pipeline.step_samples
    try:
        return ChunkSettings.of_windows(rate, seg_window, step, config.window, config.hop)
    except ValueError as error:
        raise ModelError(f"`window={config.window}`: {error}") from None


def asked_speech(config: ExtractConfig, segmentation: SegmentationModel | None) -> SpeechSettings:
    """Return how speech is found by the options and, where these leave it open, the network."""
    speech = cast(AskedSpeech, config.speech)
    return speech_settings(segmentation, config.step, config.silence_margin, speech)


def heard_by(config: ExtractConfig, models: Models) -> SpeechSettings:
    """Return how speech is found; a pipeline that sees seg_windows alone has no second opinion."""
    pipeline = runs_alone(config, models)
    if pipeline is None:
        return asked_speech(config, models.segmentation)
    return SpeechSettings(pipeline.segmentation.settings.seg_window_seconds, 0.0, "segmentation")


def local_masks(config: ExtractConfig, models: Models) -> LocalMasks:
    """Return what chooses the frames of a local speaker's embedding."""
    pipeline = runs_alone(config, models)
    if pipeline is None:
        return local_speaker_masks
    return partial(seg_window_masks, exclude_overlap=pipeline.config.exclude_overlap)


def describe_pipeline(config: ExtractConfig, models: Models) -> dict[str, Any]:
    """Return what decides the numbers besides the networks; nothing without a pipeline."""
    if models.pipeline is None:
        return {}
    pipeline = models.pipeline
    files = {"transform_sha256": pipeline.transform_file, "plda_sha256": pipeline.plda_file}
    return {
        "pipeline": {
            **asdict(pipeline.config),
            "sees": config.pipeline_sees,
            **{name: file_sha256(file) for name, file in files.items()},
        }
    }


def plda_npz(pipeline: Pipeline) -> bytes:
    """Return the PLDA model of a pipeline as one .npz, which stage 2 reads.

    Raises:
        PldaError: a file is damaged, or is no PLDA model for embeddings of the encoder.
    """
    arrays: dict[str, np.ndarray] = {}
    for file in (pipeline.transform_file, pipeline.plda_file):
        try:
            with np.load(file, allow_pickle=False) as content:
                arrays |= {name: content[name] for name in content.files}
        except Exception as error:  # damaged archives are answered with whatever reading stumbles over
            raise PldaError(f"{file} cannot be read as .npz ({error}); copy it again") from None
    source = f"{pipeline.transform_file} with {pipeline.plda_file.name}"
    plda = pyannote_plda(arrays, source)
    dimension = pipeline.encoder.encoder.embedding_dim
    if plda.input_dimension != dimension:
        raise PldaError(f"{source}: made for {plda.input_dimension} numbers, embeddings have {dimension}")
    buffer = io.BytesIO()
    kept = {name: arrays[name] for name in ("mean1", "lda", "mean2", "mu", "tr", "psi")}
    np.savez(buffer, **kept)  # type: ignore[arg-type]  # numpy's stub takes them for allow_pickle
    return buffer.getvalue()


def licence_of(pipeline: Pipeline) -> str:
    """Return what is told when an extraction begins: whose work it is, and its terms."""
    terms = pipeline.licence or "not told by the folder; see where it comes from"
    return f"pipeline {pipeline.name}: licence of its weights: {terms}"
