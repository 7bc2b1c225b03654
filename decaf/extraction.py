"""Photos → feature file: shard by shard, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from decaf.activations import SHARD_ROWS, cache_folder, index_shards, read_or_run
from features.errors import InputError
from features.store import FeatureStore, StoreWriter, merge_stores


def extract_features(
    names: Sequence[str],
    paths: Sequence[str],
    output: str | os.PathLike,
    model,
    to_features: Callable[[np.ndarray], tuple[np.ndarray, dict[str, np.ndarray]]],
    n_features: int,
    *,
    columns: dict[str, np.ndarray] | None = None,
    finetuned: frozenset[str] = frozenset(),
    attributes: dict | None = None,
    resize: str = "squash",
    batch_size: int = 32,
    cache: str | os.PathLike | None = None,
    force: bool = False,
    progress: bool = True,
) -> tuple[int, list[tuple[str, str]]]:
    """Write the features of photos to a FeatureStore.

    Finished shards are kept in ``<output>.parts`` until all are there; the same call goes on from
    them. Activations that the cache holds are read from it; others are computed, and not kept.

    Parameters
    ----------
    names, paths : sequence of str, length n_photos
        The photos' names for the store, and where they are.
    output : path
    model : keras.Model
        Gives the activations of one pooling, as `decaf.backbones.build_activations` builds it.
    to_features : callable
        Activations (n, n_activations), float16, to features (n, n_features) and to the columns
        that the network predicts.
    n_features : int
    columns : dict of str to ndarray, shape (n_photos, ...), optional
        The photos' ratings: ``score``, ``label``, ``votes``, ``split``, ``group``.
    finetuned : frozenset of str
        Digests of the photos that the network was finetuned on.
    attributes : dict
        What made these features; JSON values.
    resize, batch_size, cache, progress
        As in `decaf.activations.cached_activations`.
    force : bool
        Replace an ``output`` that is there.

    Returns
    -------
    n_rows : int
        Photos in the store.
    failed : list of (str, str)
        Names of the photos that could not be read, and why.

    Raises
    ------
    InputError
        If ``output`` is there, or an unfinished run with other settings is.
    """
    output = Path(output)
    if output.exists() and not force:
        raise InputError(f"{output} is there already: choose another name, or add --force")
    parts = _open_parts(output, attributes or {})
    (pooling,) = model.output
    cached = index_shards(cache_folder(model, resize, cache) / pooling)
    shards = []
    with tqdm(desc="features", total=len(names), unit="photo", disable=not progress) as bar:
        for start in range(0, len(names), SHARD_ROWS):
            some = slice(start, start + SHARD_ROWS)
            shards.append(parts / f"{start // SHARD_ROWS:06}.h5")
            if not _is_done(shards[-1], names[some]):
                rows = read_or_run(
                    paths[some],
                    model,
                    cached,
                    resize=resize,
                    batch_size=batch_size,
                    advance=bar.update,
                )
                _write_shard(
                    shards[-1],
                    names[some],
                    rows,
                    to_features,
                    n_features,
                    {column: values[some] for column, values in (columns or {}).items()},
                    finetuned,
                )
            bar.update(min(start + SHARD_ROWS, len(names)) - bar.n)
    merge_stores(shards, output, attributes=attributes, force=force)
    shutil.rmtree(parts)
    with FeatureStore(output) as store:
        return len(store), store.failed


def _open_parts(output: Path, attributes: dict) -> Path:
    """The folder of finished shards, made for the same settings or new."""
    parts = output.with_name(output.name + ".parts")
    settings = parts / "settings.json"
    if settings.exists():
        before = json.loads(settings.read_text())
        differing = [key for key in attributes if before.get(key) != attributes[key]]
        if differing:
            key = differing[0]
            raise InputError(
                f"{parts} holds an unfinished run with {key} {before.get(key)!r}, not "
                f"{attributes[key]!r}: remove it or choose another output"
            )
    else:
        try:
            parts.mkdir(parents=True, exist_ok=True)
            settings.write_text(json.dumps(attributes))
        except OSError as error:
            raise InputError(f"{parts} cannot be written: {error.strerror}") from None
    return parts


def _is_done(shard: Path, names: Sequence[str]) -> bool:
    if not shard.exists():
        return False
    with FeatureStore(shard) as store:
        return sorted([*store.paths, *(name for name, _ in store.failed)]) == sorted(names)


def _write_shard(shard, names, rows, to_features, n_features, columns, finetuned):
    """Write the features of a shard's photos that could be read, and why the others could not."""
    (activations,) = rows.activations.values()
    readable = np.array(rows.positions, int)
    if not len(readable):
        # No network takes an empty batch, but the columns are the same in every shard.
        activations = np.zeros((1, activations.shape[1]), activations.dtype)
    features, predicted = to_features(activations)
    with StoreWriter(shard, n_features, force=True) as writer:
        writer.append(
            features[: len(readable)],
            [names[i] for i in readable],
            rows.digests,
            finetuned=np.array([digest in finetuned for digest in rows.digests], bool),
            **{column: values[readable] for column, values in columns.items()},
            **{column: values[: len(readable)] for column, values in predicted.items()},
        )
        for position, reason in rows.failed.items():
            writer.fail(names[position], reason)
