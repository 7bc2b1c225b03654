"""Suggestions for the photos of an album; what was found is kept, so that a call can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from decaf.editing.damage_critic import CRITIC_FILE
from decaf.editing.pictures import read_working_copy
from decaf.editing.suggesting import Adviser
from decaf.editing.suggestions import Suggestion, entry
from decaf.models.model import CLASSIFIER_FILE, NETWORK_FILE
from decaf.networks.weights import file_sha256
from features.errors import InputError
from features.files import write_file, writing
from features.photos import PhotoError, file_digest, find_photos, photo_root
from features.records import parse_json

if TYPE_CHECKING:
    from decaf.editing.damage_critic import DamageCritic
    from decaf.models.model import Model

# In the folder of the results, while they are being found.
JOURNAL_FILE = "found.jsonl"


def suggest_for_album(
    photos: str | os.PathLike,
    model: Model,
    critic: DamageCritic,
    folder: str | os.PathLike,
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
    folder : path-like
        Where what was found is kept meanwhile; made if it is not there.
    cache : path-like, optional
        As in `decaf.extraction.choosing.settle`.
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
    with _journal(Path(folder), _identity(model)) as (known, journal):
        for name in tqdm(names, "editing", unit="photo", disable=not progress):
            path = str(root / name)
            try:
                key = f"{file_digest(path)}/{name}"
                if key not in known:
                    adviser = adviser or Adviser(model, critic, len(names) - len(known), cache)
                    advice = adviser.suggest(read_working_copy(path))
                    known[key] = Suggestion(path, name, advice.steps, advice.before, advice.after)
                    journal.write(json.dumps([key, entry(known[key])]) + "\n")
                    journal.flush()
            except PhotoError as error:
                failed.append((name, str(error)))
                continue
            found.append(replace(known[key], path=path))
    if not found:
        raise InputError(f"{photos}: none of its {len(names):,} photos can be read")
    return found, failed


def forget_journal(folder: str | os.PathLike) -> None:
    """Remove what was kept, once the results are written."""
    (Path(folder) / JOURNAL_FILE).unlink(missing_ok=True)


def _identity(model: Model) -> list[str]:
    assert model.folder is not None  # as of a loaded model
    files = (NETWORK_FILE, CLASSIFIER_FILE, CRITIC_FILE)
    return [file_sha256(model.folder / name) for name in files]


@contextmanager
def _journal(folder: Path, identity: list[str]) -> Iterator[tuple[dict[str, Suggestion], TextIO]]:
    """What was found before by the same model, and the file that takes what is found next."""
    path = folder / JOURNAL_FILE
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        known = _read(path, identity)
        # Anew, since its last line may have been torn.
        lines = [identity, *([key, entry(each)] for key, each in known.items())]
        write_file(path, "".join(json.dumps(line) + "\n" for line in lines))
        with open(path, "a", encoding="utf-8") as file:
            yield known, file


def _read(path: Path, identity: list[str]) -> dict[str, Suggestion]:
    known: dict[str, Suggestion] = {}
    try:
        first, *lines = path.read_bytes().splitlines()
        if parse_json(first) != identity:
            return {}
        for line in lines:
            key, values = parse_json(line)
            known[key] = Suggestion.from_json(values | {"path": values["name"]})
    # What is not there, or is not whole, is found anew.
    except (OSError, ValueError, TypeError):
        pass
    return known
