"""Suggestions for the photos of an album; what was found is cached, so that a call can go on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from decaf.editing.damage_critic import CRITIC_FILE, RECORD_FILE
from decaf.editing.pictures import read_working_copy
from decaf.editing.suggesting import Advice, Adviser
from decaf.editing.suggestions import Suggestion, is_within
from decaf.extraction.activations import default_cache
from decaf.models.model import RECORD_FILE as MODEL_FILE
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
        There are no photos, a list's name leads out of its folder, none can be read, or nothing
        can be kept.
    """
    names, root = find_photos(photos), photo_root(photos)
    _check_names(names, photos)
    journal = _journal(model, cache)
    known = _read(journal)
    adviser: Adviser | None = None
    found: list[Suggestion] = []
    failed: list[tuple[str, str]] = []
    for name in tqdm(names, "editing", unit="photo", disable=not progress):
        path = str(root / name)
        try:
            digest = file_digest(path)
            if digest not in known:
                adviser = adviser or Adviser(model, critic, len(names), cache)
                known[digest] = adviser.suggest(read_working_copy(path))
                _keep(journal, digest, known[digest])
        except PhotoError as error:
            failed.append((name, str(error)))
            continue
        advice = known[digest]
        found.append(Suggestion(path, name, advice.steps, advice.before, advice.after))
    if not found:
        raise InputError(f"{photos}: none of its {len(names):,} photos can be read")
    return found, failed


def _check_names(names: Iterable[str], photos: str | os.PathLike) -> None:
    outside = next((name for name in names if not is_within(name)), None)
    if outside is not None:
        raise InputError(
            f"{photos}: {outside!r} is no name within its folder, as copies need one; put the list "
            "into a folder that holds all of its photos, and name them relative to that"
        )


def _journal(model: Model, cache: str | os.PathLike | None) -> Path:
    """Where is kept what the same model and critic find; its folder is made."""
    assert model.folder is not None  # as of a loaded model
    # The model's record tells the digests of its other files.
    files = (MODEL_FILE, RECORD_FILE, CRITIC_FILE)
    digests = [file_sha256(model.folder / name) for name in files]
    identity = hashlib.sha256(json.dumps([VERSION, *digests]).encode()).hexdigest()
    folder = Path(cache or default_cache()) / "edits"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{identity[:32]}.jsonl"


def _read(journal: Path) -> dict[str, Advice]:
    known = {}
    with writing(journal):
        content = journal.read_bytes() if journal.exists() else b""
    for line in content.splitlines():
        # What is not whole is found anew.
        with suppress(ValueError, TypeError):
            digest, values = parse_json(line)
            known[digest] = Advice.from_json(values)
    return known


def _keep(journal: Path, digest: str, advice: Advice) -> None:
    line = json.dumps([digest, advice.to_json()])
    with writing(journal), open(journal, "ab") as file:
        # An interruption may have torn the line before.
        file.write(f"\n{line}\n".encode())
