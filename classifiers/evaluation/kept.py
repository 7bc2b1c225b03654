"""Finished fits, kept in a folder until all are there: an interruption costs those under way."""

from __future__ import annotations

import os
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from features.files import whole_file, writing

_PACKAGES = ("decaf", "numpy", "scikit-learn", "scipy")


class KeptFits:
    """What fits have given, by a digest of all that it depends on.

    Parameters
    ----------
    folder : path-like, optional
        Is made when the first fit is kept; without one nothing is.

    Examples
    --------
    >>> kept = KeptFits()
    >>> kept.write(kept.key("a fit"), {"score": np.zeros(3)})
    >>> kept.read(kept.key("a fit")) is None
    True
    """

    def __init__(self, folder: str | os.PathLike | None = None):
        self._folder = None if folder is None else Path(folder)
        self._versions = [version(package) for package in _PACKAGES]

    def key(self, *depends_on: Any) -> str:
        """A digest of what a fit depends on, the versions of the packages among it.

        Parameters
        ----------
        *depends_on : object
            Arrays, unfitted estimators, numbers, strings.

        Returns
        -------
        str
            Empty where nothing is kept.
        """
        if self._folder is None:
            return ""
        return joblib.hash((self._versions, depends_on))

    def read(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of a fit.

        Parameters
        ----------
        key : str

        Returns
        -------
        dict of str to ndarray, or None
            None where there are none, or where the file is damaged: the fit is done again.
        """
        if self._folder is None:
            return None
        try:
            with np.load(self._folder / f"{key}.npz", allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, key: str, arrays: dict[str, Any]) -> None:
        """Keep the arrays of a fit.

        Parameters
        ----------
        key : str
        arrays : dict of str to array-like

        Raises
        ------
        InputError
            They cannot be written.
        """
        if self._folder is None:
            return
        path = self._folder / f"{key}.npz"
        with writing(path):
            self._folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as new:
                np.savez(new, **arrays)

    def remove(self) -> None:
        """Remove what was kept; other files stay."""
        if self._folder is None or not self._folder.is_dir():
            return
        with writing(self._folder):
            for path in self._folder.glob("*.npz"):
                path.unlink()
            if not any(self._folder.iterdir()):
                self._folder.rmdir()
