"""Photos that check an exported file: those that the model has not seen, where there are enough."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from decaf.extraction.forward_pass import decode_photos
from decaf.models.device import open_photo
from decaf.models.formats import ENOUGH_PHOTOS
from decaf.models.model import Model
from features.errors import InputError
from features.photos import PhotoError, find_photos, photo_root, resize_photo
from features.ratings import RatedPhotos
from features.samples import make_samples

# Not those of `make demo`, which a model may have seen.
SAMPLES_SEED = 1
SAMPLES = f"python -m features.samples FOLDER -n {ENOUGH_PHOTOS} --seed {SAMPLES_SEED}"


@dataclass(frozen=True, eq=False)
class CheckPhotos:
    """Photos that check an exported file.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (n_photos, size, size, 3)
        As the model sees them.
    by_device : dict of int to ndarray or None
        Rows that the README's code decodes to something else, and to what; None where it cannot.
    names : tuple of str
    digests : tuple of str
    label : ndarray or None
        Of rated photos.
    failed : tuple of (str, str)
        Photos that could not be read, and why.
    n_seen : int
        As many of these trained the model.
    are_samples : bool
        Whether `SAMPLES` makes them.
    """

    rgb: np.ndarray
    by_device: Mapping[int, np.ndarray | None]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    label: np.ndarray | None
    failed: tuple[tuple[str, str], ...]
    n_seen: int = 0
    are_samples: bool = False

    def take(self, rows: np.ndarray) -> CheckPhotos:
        """Some of them."""
        by_device = {
            new: self.by_device[old] for new, old in enumerate(rows) if old in self.by_device
        }
        return replace(
            self,
            rgb=self.rgb[rows],
            by_device=by_device,
            names=tuple(self.names[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
            label=None if self.label is None else self.label[rows],
        )

    def unseen_by(self, model: Model) -> CheckPhotos:
        """Those that trained neither network nor classifier; all where they are too few."""
        is_seen = model.seen.holds(self.digests)
        if not is_seen.any() or (~is_seen).sum() >= ENOUGH_PHOTOS:
            return self.take(np.flatnonzero(~is_seen))
        return replace(self, n_seen=int(is_seen.sum()))


def read_check_photos(
    photos: str | os.PathLike | RatedPhotos | None, size: int, resize: str, progress: bool
) -> CheckPhotos:
    """Read photos at a network's size, as the model and as a device sees them.

    Parameters
    ----------
    photos : path-like or RatedPhotos, optional
        Photos as in `features.photos.find_photos`, or rated ones; sample photos by default.
    size : int
    resize : {"squash", "crop", "pad"}
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    CheckPhotos

    Raises
    ------
    InputError
        No photo can be read.
    """
    if photos is None:
        with tempfile.TemporaryDirectory() as folder:
            make_samples(Path(folder) / "samples", ENOUGH_PHOTOS, SAMPLES_SEED)
            samples = read_check_photos(Path(folder) / "samples", size, resize, progress)
        return replace(samples, are_samples=True)
    if isinstance(photos, RatedPhotos):
        assert photos.paths is not None  # as of all ratings that were read
        read, positions, failed = _read(list(photos.paths), size, resize, progress)
        readable = photos.readable(positions, list(read.digests), failed)
        failures = readable.failed[len(photos.failed) :]
        return replace(read, label=readable.label, failed=failures)
    names, root = find_photos(photos), photo_root(photos)
    read, _, failed = _read([str(root / name) for name in names], size, resize, progress)
    return replace(read, failed=tuple((names[position], reason) for position, reason in failed))


def _read(
    paths: Sequence[str], size: int, resize: str, progress: bool
) -> tuple[CheckPhotos, np.ndarray, list[tuple[int, str]]]:
    """Photos that can be read, and their positions; the others' positions and reasons."""
    photos: list[np.ndarray] = []
    by_device: dict[int, np.ndarray | None] = {}
    positions: list[int] = []
    digests: list[str] = []
    failed: list[tuple[int, str]] = []
    decoded = chain.from_iterable(decode_photos([paths], size, resize))
    bar = tqdm(decoded, "reading", len(paths), unit="photo", disable=not progress)
    for position, photo in enumerate(bar):
        if isinstance(photo, PhotoError):
            failed.append((position, str(photo)))
            continue
        rgb, digest = photo
        shown = _as_on_a_device(paths[position], size, resize)
        if shown is None or not np.array_equal(shown, rgb):
            by_device[len(photos)] = shown
        photos.append(rgb)
        positions.append(position)
        digests.append(digest)
    if not photos:
        raise InputError(f"{paths[0]}: no photo could be read; check the file with others")
    names = tuple(os.path.basename(paths[position]) for position in positions)
    read = CheckPhotos(np.array(photos), by_device, names, tuple(digests), None, ())
    return read, np.array(positions), failed


def _as_on_a_device(path: str, size: int, resize: str) -> np.ndarray | None:
    """What the README's code makes of a photo, None where it cannot read it."""
    # Whatever Pillow raises: a raw file, HEIC where its reader is not registered, damaged bytes.
    try:
        return resize_photo(np.asarray(open_photo(path, size)), size, resize)
    except Exception:
        return None
