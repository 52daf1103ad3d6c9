"""espeak-ng through ctypes: text in, waveform out.

The shared library and its data come with the wheel `espeakng-loader`; nothing is installed on the system.
Interface: speak_lib.h of espeak-ng, https://github.com/espeak-ng/espeak-ng.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import soxr

from diar.demo.voices import Voice
from diar.errors import DiarError
from diar.extras import install_line, require
from diar.spawning import SPAWN, end_with_parent

SAMPLE_RATE = 16_000

# speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2  # espeak_Synth returns when all samples went through the callback
INITIALIZE_DONT_EXIT = 0x8000  # return a code where the data folder is missing, do not call exit(1)
RATE, PITCH, RANGE = 1, 3, 4
CHARS_UTF8 = 1
POS_CHARACTER = 1
SYNTH_ARGUMENTS: list[Any] = [
    ctypes.c_char_p,  # text
    ctypes.c_size_t,  # its bytes, the closing zero included
    ctypes.c_uint,  # where to start
    ctypes.c_int,  # in which unit
    ctypes.c_uint,  # where to end; 0 = never
    ctypes.c_uint,  # flags
    ctypes.c_void_p,
    ctypes.c_void_p,
]
SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class SilentTextError(DiarError):
    """A text of which espeak-ng makes no sound."""


def speak(voice: Voice, text: str) -> np.ndarray:
    """Read one text aloud: (samples,) float32 in ±1 at 16 kHz; see `speak_all` for what is raised."""
    (waveform,) = speak_all([(voice, text)])
    return waveform


def speak_all(lines: Sequence[tuple[Voice, str]]) -> Iterator[np.ndarray]:
    """Read texts aloud, in a process of their own.

    The library keeps state from one text to the next, which espeak_Terminate does not reset. The same lines
    give the same samples only in a new process.

    Args:
        lines: voice and text of each utterance.

    Yields:
        For each line (samples,) float32 in ±1 at 16 kHz.

    Raises:
        SilentTextError: a text without anything to read.
        DiarError: espeakng-loader is not installed, espeak-ng refuses a voice, or it crashed.
    """
    library, data = installed()
    with ProcessPoolExecutor(max_workers=1, mp_context=SPAWN, initializer=end_with_parent) as process:
        try:
            yield from process.map(functools.partial(_speak_here, library, data), *zip(*lines, strict=True))
        except BrokenProcessPool as error:
            raise DiarError(
                f"the process that runs espeak-ng ({library}) died; "
                f"reinstall it with {install_line('demo', '--force-reinstall')}"
            ) from error


class Espeak:
    """The library; its state is global, so there is one of these in a process."""

    def __init__(self, library: str, data: str) -> None:
        self.library = ctypes.CDLL(library)
        self.library.espeak_Synth.argtypes = SYNTH_ARGUMENTS
        self._rate = self.library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data), INITIALIZE_DONT_EXIT
        )
        if self._rate <= 0:
            raise DiarError(
                f"espeak-ng cannot read its data in {data} (code {self._rate}); a path above 160 characters "
                f"is too long for it, else reinstall it with {install_line('demo', '--force-reinstall')}"
            )
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(0))  # otherwise it takes the clock
        self._chunks: list[bytes] = []
        self._callback = SynthCallback(self._receive)  # kept alive: the library has only a pointer to it
        self.library.espeak_SetSynthCallback(self._callback)

    def speak(self, voice: Voice, text: str) -> np.ndarray:
        """Read one text aloud, as the function of the same name."""
        self._set_voice(voice)
        pcm = self._synthesise(text)
        # Faster playback raises all formants, like a shorter vocal tract
        played_rate = self._rate * voice.formants
        return soxr.resample(pcm.astype(np.float32) / 32768, played_rate, SAMPLE_RATE, "HQ")

    def _set_voice(self, voice: Voice) -> None:
        if self.library.espeak_SetVoiceByName(voice.espeak_name.encode()) != 0:
            raise DiarError(f"espeak-ng has no voice {voice.espeak_name!r}; update espeakng-loader")
        rate = round(voice.words_per_minute / voice.formants)
        for parameter, value in ((RATE, rate), (PITCH, voice.pitch), (RANGE, voice.pitch_range)):
            self.library.espeak_SetParameter(parameter, value, 0)

    def _synthesise(self, text: str) -> np.ndarray:
        self._chunks.clear()
        encoded = text.encode()
        code = self.library.espeak_Synth(
            encoded, len(encoded) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None
        )
        pcm = np.frombuffer(b"".join(self._chunks), dtype=np.int16)
        if code != 0 or not pcm.any():
            raise SilentTextError(f"espeak-ng made no sound of {text!r} (code {code}); give it words to read")
        return pcm

    def _receive(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: int | None) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short)))
        return 0  # go on


def installed() -> tuple[str, str]:
    """Return the paths of the shared library and of its data."""
    loader = require("espeakng_loader", "demo", "speech by espeak-ng")
    return str(loader.get_library_path()), str(loader.get_data_path())


@functools.cache
def _engine(library: str, data: str) -> Espeak:
    return Espeak(library, data)


def _speak_here(library: str, data: str, voice: Voice, text: str) -> np.ndarray:
    return _engine(library, data).speak(voice, text)
