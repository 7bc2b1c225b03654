"""Suggestions for the photos of an album; what was found is cached, so that a call can go on."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from decaf.editing.damage_critic import CRITIC_FILE
from decaf.editing.pictures import read_working_copy
from decaf.editing.suggesting import Advice, Adviser
from decaf.editing.suggestions import Suggestion
from decaf.extraction.activations import default_cache
from decaf.models.model import CLASSIFIER_FILE, NETWORK_FILE
from decaf.networks.weights import file_sha256
from features.errors import InputError
from features.files import writing
from features.photos import PhotoError, file_digest, find_photos, photo_root
from features.records import parse_json

if TYPE_CHECKING:
    from decaf.editing.damage_critic import DamageCritic
    from decaf.models.model import Model

# Of what is suggested: what another one found is found anew.
VERSION = 1


def suggest_for_album(
    photos: str | os.PathLike,
    model: Model,
    critic: DamageCritic,
    *,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> tuple[list[Suggestion], list[tuple[str, str]]]:
    """Suggest edits for photos.

    Parameters
    ----------
    photos : path-like
        A folder of photos, or a list of them, as in `features.photos.find_photos`.
    model : Model
        Of a folder.
    critic : DamageCritic
        That of its folder.
    cache : path-like, optional
        Where what was found is kept; `decaf.extraction.activations.default_cache` by default.
    progress : bool

    Returns
    -------
    suggestions : list of Suggestion
        In the album's order.
    failed : list of (str, str)
        Names of the photos that cannot be read, and why.

    Raises
    ------
    InputError
        There are no photos, none can be read, or nothing can be kept.
    """
    names, root = find_photos(photos), photo_root(photos)
    adviser: Adviser | None = None
    found: list[Suggestion] = []
    failed: list[tuple[str, str]] = []
    with _journal(model, cache) as (known, journal):
        for name in tqdm(names, "editing", unit="photo", disable=not progress):
            path = str(root / name)
            try:
                digest = file_digest(path)
                if digest not in known:
                    adviser = adviser or Adviser(model, critic, len(names), cache)
                    known[digest] = adviser.suggest(read_working_copy(path))
                    journal.write(json.dumps([digest, known[digest].to_json()]) + "\n")
            except PhotoError as error:
                failed.append((name, str(error)))
                continue
            advice = known[digest]
            found.append(Suggestion(path, name, advice.steps, advice.before, advice.after))
    if not found:
        raise InputError(f"{photos}: none of its {len(names):,} photos can be read")
    return found, failed


@contextmanager
def _journal(
    model: Model, cache: str | os.PathLike | None
) -> Iterator[tuple[dict[str, Advice], TextIO]]:
    """What was found before with the same model and critic, and the file that takes the next."""
    assert model.folder is not None  # as of a loaded model
    files = (NETWORK_FILE, CLASSIFIER_FILE, CRITIC_FILE)
    digests = [file_sha256(model.folder / name) for name in files]
    identity = hashlib.sha256(json.dumps([VERSION, *digests]).encode()).hexdigest()
    folder = default_cache() if cache is None else Path(cache)
    path = folder / "edits" / f"{identity[:32]}.jsonl"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            file.seek(0)
            content = file.read()
            # An interruption may have torn the last line.
            if content and not content.endswith(b"\n"):
                file.write(b"\n")
            yield _parse(content), io.TextIOWrapper(file, "utf-8", line_buffering=True)


def _parse(content: bytes) -> dict[str, Advice]:
    known = {}
    for line in content.splitlines():
        # What is not whole is found anew.
        with suppress(ValueError, TypeError):
            digest, values = parse_json(line)
            known[digest] = Advice.from_json(values)
    return known
