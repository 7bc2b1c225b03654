"""Generic descriptors of photos, computed once and cached."""

import functools
import hashlib
import zipfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from decaf.commands.printing import report_failed
from decaf.extraction.activations import default_cache
from decaf.extraction.digests import digest_files
from features.descriptors import composition as measures
from features.descriptors import generic, gist, keypoints, working_size
from features.descriptors.generic import PhotoDescriptors
from features.descriptors.keypoints import SiftDescriptors
from features.errors import InputError
from features.files import whole_file, writing
from features.photos import file_digest

FAMILIES = {
    "colour": ("hsv_histogram", "colour_moments", "colourfulness"),
    "texture": ("local_binary_patterns", "cooccurrence"),
    "composition": (
        "aspect_ratio",
        "rule_of_thirds",
        "central_detail",
        "edge_box_area",
        "hue_count",
        "sharp_frequencies",
        "contrast",
    ),
    "gist": ("gist",),
}
# What is measured changes with these.
CODE = (measures, generic, gist, keypoints, working_size)
# Half a minute's work for SIFT: little to lose by an interruption.
SHARD_PHOTOS = 64


def describe(rated, *, cache=None, jobs=None):
    """Measure photos, by all measures of `FAMILIES`; those that cannot be read are reported.

    Gives the photos that could be read, and by family their numbers, (n_photos, n_numbers).
    """
    describer = PhotoDescriptors([name for family in FAMILIES.values() for name in family], jobs)
    sizes = [
        len(PhotoDescriptors(family).fit(rated.paths[:1]).get_feature_names_out())
        for family in FAMILIES.values()
    ]
    digests, failed = digest_files(list(rated.paths), progress=True)
    values = np.empty((len(rated), sum(sizes)))
    rows = np.array([row for row in range(len(rated)) if row not in failed], int)
    for some, path in _shards(
        rated.paths, digests, rows, "measures", lambda paths: _measure(describer, paths), cache
    ):
        kept = _read(path, "reasons", "values")
        failed |= {row: str(reason) for row, reason in zip(some, kept["reasons"]) if reason}
        values[some[kept["reasons"] == ""]] = kept["values"]
    left = np.array([row for row in rows if row not in failed], int)
    n_failed = len(rated.failed)  # these were reported
    rated = rated.readable(left, np.array(digests)[left], sorted(failed.items()))
    report_failed(rated.failed[n_failed:])
    return rated, dict(zip(FAMILIES, np.split(values[left], np.cumsum(sizes)[:-1], axis=1)))


def describe_keypoints(rated, *, cache=None, jobs=None):
    """SIFT descriptors of photos that can be read, (n_photos,), each a `KeptKeypoints`."""
    describer = SiftDescriptors(n_jobs=jobs)

    def measure(paths):
        found = describer.fit(paths).transform(paths)
        return {"local": np.concatenate(list(found)), "counts": np.array(list(map(len, found)))}

    keypoints = np.empty(len(rated), dtype=object)
    everything = np.arange(len(rated))
    for rows, path in _shards(rated.paths, rated.digests, everything, "keypoints", measure, cache):
        ends = np.cumsum(_read(path, "counts")["counts"]).tolist()
        for row, start, end in zip(rows, [0, *ends], ends):
            keypoints[row] = KeptKeypoints(path, start, end)
    return keypoints


class KeptKeypoints:
    """The keypoints of a photo, which become an array of uint8, (n_keypoints, 128), when asked for.

    They stay in the cache: in memory those of all of AVA's photos would be 15 GB.
    """

    __slots__ = ("_end", "_path", "_start")
    ndim = 2

    def __init__(self, path, start, end):
        self._path, self._start, self._end = path, start, end

    def __len__(self):
        return self._end - self._start

    def __array__(self, dtype=None, copy=None):
        return np.asarray(_keypoints_of_shard(self._path)[self._start : self._end], dtype)


@functools.lru_cache(maxsize=1)  # photos are asked for in their order
def _keypoints_of_shard(path):
    return _read(path, "local")["local"]


def _measure(describer, paths):
    """Measures of the photos that can be read, and of every photo why it could not, else ""."""
    describer.fit(paths)
    reasons = [""] * len(paths)
    try:
        return {"values": describer.transform(paths), "reasons": np.array(reasons)}
    except InputError:  # it does not say which others: try each
        values = []
    for number, path in enumerate(paths):
        try:
            values.append(describer.transform([path])[0])
        except InputError as error:
            reasons[number] = str(error).removeprefix(f"{path}: ")
    return {"values": np.array(values), "reasons": np.array(reasons)}


def _shards(paths, digests, rows, kind, measure, cache):
    """Yield rows and the file of what was measured of them, which is made where it is not there."""
    code = "".join(file_digest(module.__file__) for module in CODE)
    folder = Path(cache or default_cache()) / kind
    for start in tqdm(range(0, len(rows), SHARD_PHOTOS), desc=kind, unit="shard"):
        some = rows[start : start + SHARD_PHOTOS]
        key = code + "".join(digests[row] for row in some)
        path = folder / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.npz"
        if not path.exists():
            _write(path, measure(paths[some]))
        yield some, path


def _read(path, *names):
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in names}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
        raise InputError(f"{path}: damaged; remove it") from None


def _write(path, arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), whole_file(path) as part:
        np.savez(part, **arrays)
