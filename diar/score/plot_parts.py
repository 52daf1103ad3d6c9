"""What the pictures of a score have in common."""

from __future__ import annotations

from diar.score.amounts import Amounts

ERROR_COLORS = {"miss": "#4477aa", "false alarm": "#e08a00", "confusion": "#c8203c"}


def summary(amounts: Amounts) -> str:
    """Return DER and its parts in one line."""
    if amounts.der is None:
        return f"no reference speech, {amounts.false_alarm:.1f} s of false alarm"
    miss, false_alarm, confusion = (f"{100 * rate:.1f}" for rate in rates(amounts))
    parts = f"miss {miss}, false alarm {false_alarm}, confusion {confusion}"
    return f"DER {100 * amounts.der:.1f} % ({parts}) of {amounts.speech:.1f} s"


def rates(amounts: Amounts) -> tuple[float, float, float]:
    """Return miss, false alarm and confusion as shares of the reference speech."""
    speech = amounts.speech or 1.0
    return amounts.miss / speech, amounts.false_alarm / speech, amounts.confusion / speech
