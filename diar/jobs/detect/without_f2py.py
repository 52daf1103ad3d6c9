"""Keeping NumPy's interface to Fortran out: SciPy imports it when it copies all names of NumPy."""

from __future__ import annotations

import sys

import numpy as np


def keep_f2py_out() -> None:
    """Import SciPy's base without `numpy.f2py`, which takes 0.05 s; whoever asks for it later gets it.

    SciPy's array layer copies what NumPy offers, and NumPy imports this when it is asked for. A name that is
    there already is not asked for. Only commands call this.
    """
    if "numpy.f2py" in sys.modules or "scipy.special" in sys.modules:
        return
    vars(np)["f2py"] = None
    try:
        import scipy.special  # noqa: F401
    finally:
        del vars(np)["f2py"]
