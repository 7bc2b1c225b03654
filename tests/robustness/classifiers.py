"""Hostile classifiers: files of every kind, with what no program writes in the place of something.

Each file is loaded, and what is loaded scores rows of features, in a process of its own with limits
on its memory and time; one that crashes or hangs is started again at the next file.
"""

from __future__ import annotations

import inspect
import io
import json
import multiprocessing
import os
import pickle
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.pipeline import Pipeline

from classifiers.catalogue import (
    list_classifiers,
    load_classifier,
    make_classifier,
)
from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.errors import InputError

MEMORY_LIMIT = 2**32
HANG_SECONDS = 10
WIDTH = 6
OUTCOMES = ("refused", "survived", "crashed", "hung", "traceback", "not finite")
# Quick to fit, and with as many parts as there are in large ones.
SMALL = {"random-forest": {"n_estimators": 4}, "gradient-boosting": {"max_iter": 4}}
TEXT = """\
A small classifier of every kind is saved, and something in its file is replaced: in its arrays, in
the values and nodes of its schema, in the archive. A file is *refused* with an `InputError`, or
*survived*: what is loaded gives a finite score and a class, or a finite score with its spread, for
each of {rows} rows.
Everything else is a failure: a crash of the process, {hang} seconds without an answer, another
exception, a score that is no number. A process may have {memory:.0f} GiB of address space."""


@dataclass
class Parts:
    """A classifier's file, taken apart.

    Attributes
    ----------
    schema : dict
    members : dict of str to bytes
        All others.
    """

    schema: dict[str, Any]
    members: dict[str, bytes]

    def nodes(self, loader: str = "") -> list[dict[str, Any]]:
        """All nodes of the schema, or those of one loader."""
        return [node for node in _nodes(self.schema) if node["__loader__"] == loader or not loader]

    def array(self, name: str) -> np.ndarray:
        """A member's array, as one can write to it."""
        return np.load(io.BytesIO(self.members[name])).copy()

    def pack(self, **options: Any) -> bytes:
        """Make a file of them."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", **options) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
            archive.writestr("schema.json", json.dumps(self.schema))
        return file.getvalue()


def attack_classifiers(args) -> Page:
    """Attack every kind of the catalogue as often."""
    files = [
        (name, *hostile)
        for name in list_classifiers()
        for hostile in hostile_files(name, args.files, args.seed)
    ]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = examine([content for *_, content in files], Path(folder))
    rows = [
        {"classifier": name, "attack": attack, "outcome": outcome, "seconds": seconds}
        for (name, attack, _), (outcome, seconds) in zip(files, outcomes)
    ]
    names = list_classifiers()
    by_classifier = [count_outcomes(rows, "classifier", name) for name in names]
    by_attack = [count_outcomes(rows, "attack", name) for name in ATTACKS]
    columns = {name: f"{{{name}}}" for name in ("tried", *OUTCOMES, "seconds")}
    shares = {
        outcome: [100 * row[outcome] / row["tried"] for row in by_classifier]
        for outcome in OUTCOMES[:2]
    }
    return Page(
        title="Hostile classifiers",
        text=TEXT.format(rows=len(training_rows()[0]), hang=HANG_SECONDS, memory=4),
        tables={
            "Attacks": table(by_attack, {"attack": "{attack}"} | columns),
            "Classifiers": table(by_classifier, {"classifier": "{classifier}"} | columns),
        },
        rows=rows,
        figure=draw_bars(names, shares, xlabel="% of the files", size=(6, 4)),
        failed=any(row["outcome"] not in OUTCOMES[:2] for row in rows),
    )


def count_outcomes(rows: list[dict[str, Any]], column: str, value: str) -> dict[str, Any]:
    """What became of the files that have this value in a column."""
    own = [row for row in rows if row[column] == value]
    counts = Counter(row["outcome"] for row in own)
    seconds = round(sum(row["seconds"] for row in own), 1)
    return {
        column: value,
        "tried": len(own),
        **{name: counts[name] for name in OUTCOMES},
        "seconds": seconds,
    }


def training_rows() -> tuple[np.ndarray, np.ndarray]:
    """Features as fc7 gives them, half zeros, and labels."""
    draws = np.random.default_rng(0)
    labels = (np.arange(60) % 3 == 0).astype(np.int8)
    X = np.maximum(draws.normal(size=(60, WIDTH)) + labels[:, None], 0)
    return X.astype(np.float32), labels


def hostile_files(name: str, n_files: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Draw hostile files of one kind, each attack in turn.

    Parameters
    ----------
    name : str
        Of the classifier.
    n_files, seed : int

    Yields
    ------
    attack : str
    content : bytes
    """
    draws = random.Random(f"{name} {seed}")
    whole, other = saved_parts(name), saved_parts(draws.choice(list_classifiers()))
    for number in range(n_files):
        attack = list(ATTACKS)[number % len(ATTACKS)]
        parts = Parts(json.loads(json.dumps(whole.schema)), dict(whole.members))
        content = ATTACKS[attack](parts, draws, other)
        yield attack, parts.pack() if content is None else content


def saved_parts(name: str) -> Parts:
    """A small classifier's file, taken apart."""
    import skops.io

    X, labels = training_rows()
    classifier = make_classifier(name).set_params(**SMALL.get(name, {}))
    classifier.fit(X, labels + X[:, 0].round() if is_regressor(classifier) else labels)
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(classifier))) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    return Parts(json.loads(members.pop("schema.json")), members)


def put_array(parts: Parts, name: str, array: np.ndarray, allow_pickle: bool = False) -> None:
    """Put an array in the place of a member."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    parts.members[name] = file.getvalue()


def examine(contents: list[bytes], folder: Path) -> list[tuple[str, float]]:
    """Load each of the files, and score by what is loaded.

    Parameters
    ----------
    contents : list of bytes
    folder : pathlib.Path
        For the files; empty.

    Returns
    -------
    list of (str, float)
        The outcome, one of `OUTCOMES`, and the seconds of each.
    """
    for number, content in enumerate(contents):
        (folder / f"{number}.skops").write_bytes(content)
    outcomes = []
    while len(outcomes) < len(contents):
        said = folder / "said"
        said.write_text("")
        process = multiprocessing.get_context("spawn").Process(
            target=_examine, args=(folder, len(outcomes), len(contents), said)
        )
        process.start()
        process.join()
        lines = said.read_text().splitlines()
        outcomes += [(outcome, float(seconds)) for outcome, _, seconds in map(_split, lines)]
        if len(outcomes) < len(contents):
            if not process.exitcode:
                raise RuntimeError("the process ended before its last file")
            stderr = (folder / "stderr").read_text(errors="replace")
            hung = "Timeout (" in stderr
            outcomes.append(("hung", HANG_SECONDS) if hung else ("crashed", 0.0))
    return outcomes


def _split(line):
    return line.rpartition(" ")


def _examine(folder, first, last, said):
    """Examine files from one on; in a process of its own."""
    import faulthandler
    import resource

    from threadpoolctl import threadpool_limits

    with open(folder / "stderr", "w") as stderr:
        os.dup2(stderr.fileno(), 2)
    X = training_rows()[0]
    # Whatever it imports when it first loads does not count.
    for name in list_classifiers():
        make_classifier(name)
    # Threads wait for each other on a busy machine.
    threadpool_limits(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    warnings.simplefilter("ignore")
    with open(said, "a", buffering=1) as lines:
        for number in range(first, last):
            faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            start = time.monotonic()
            outcome = _outcome(folder / f"{number}.skops", X)
            lines.write(f"{outcome} {time.monotonic() - start:.3f}\n")


def _outcome(path, X):
    from classifiers.evaluation.calibration import decision_score

    try:
        classifier = load_classifier(path)
        if classifier.n_features_in_ != WIDTH:
            return "refused"  # as `load_model` refuses it
        score = decision_score(classifier, X)
        predicted = _predicted(classifier, X)
    except InputError as error:
        return "traceback" if "\n" in str(error) else "refused"
    except Exception:
        return "traceback"
    is_whole = score.shape == (len(X),) and predicted.shape[-1:] == (len(X),)
    is_finite = np.isfinite(score).all() and np.isfinite(predicted).all()
    return "survived" if is_whole and is_finite else "not finite"


def _predicted(classifier, X):
    """What it predicts, with the spread where it has one."""
    last = classifier[-1] if isinstance(classifier, Pipeline) else classifier
    if "return_std" not in inspect.signature(last.predict).parameters:
        return classifier.predict(X)
    return np.array(classifier.predict(X, return_std=True))


def _nodes(value):
    """All nodes in a value, the outermost first."""
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        for each in value.values():
            yield from _nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def _drawn_array(parts, draws):
    """A member, and its array as one can write to it; none is empty."""
    arrays = {name: parts.array(name) for name in parts.members}
    name = draws.choice([name for name, array in arrays.items() if array.size])
    return name, arrays[name]


def _shape(parts, draws, other):
    name, array = _drawn_array(parts, draws)
    flat = array.reshape(-1)
    shapes = [
        flat[: draws.randrange(len(flat) + 1)],
        np.concatenate([flat, flat]),
        array[None],
        flat,
        flat[0],
        array.T,
        array[:1] if array.ndim else flat[:0],
        array[..., :1] if array.ndim else array,
    ]
    put_array(parts, name, draws.choice(shapes))


def _dtype(parts, draws, other):
    name, array = _drawn_array(parts, draws)
    dtype = draws.choice(["f2", ">f8", "c16", "i1", "u8", "?", "U3", "M8[s]", "f4", ">i4", "V3"])
    raw = np.frombuffer(array.tobytes() * 16, np.uint8)
    raw = raw[: array.size * np.dtype(dtype).itemsize]
    put_array(parts, name, raw.view(dtype).reshape(array.shape))


def _numbers(parts, draws, other):
    """Hostile numbers at some places of an array, or at all."""
    name, array = _drawn_array(parts, draws)
    flat = array.reshape(-1)
    if array.dtype.names:  # a tree
        flat = flat[draws.choice(array.dtype.names)]
    if flat.dtype.kind == "f":
        hostile = [np.nan, np.inf, -np.inf, 0, -1, 1e300, -1e300, 1e-300, 1e9, 5]
    else:
        hostile = [-1, -2, 0, 1, len(array.reshape(-1)), 1000, 2**31 - 1, 2**31, -(2**31), 2**62]
    value = np.array(draws.choice(hostile)).astype(flat.dtype)
    chosen = draws.choice([slice(None), slice(1), slice(-1, None), draws.randrange(len(flat))])
    flat[chosen] = value
    put_array(parts, name, array)


def _permutation(parts, draws, other):
    name, array = _drawn_array(parts, draws)
    flat = array.reshape(-1)
    order = draws.sample(range(len(flat)), len(flat))
    flat[:] = flat[order]
    put_array(parts, name, array)


def _other_array(parts, draws, other):
    """An array in the place of another, of this classifier or of one of another kind."""
    name = draws.choice(list(parts.members))
    source = draws.choice([parts.members, other.members])
    parts.members[name] = source[draws.choice(list(source))]


def _value(parts, draws, other):
    hostile = [
        "-1",
        "0",
        "1",
        "2",
        "1000000000",
        "9" * 400,
        "9" * 5000,
        "1e400",
        "NaN",
        "-Infinity",
    ]
    hostile += ["null", "true", '"text"', '"\\ud800"', "[]", "[[1]]", "{}", "[" * 3000 + "]" * 3000]
    draws.choice(parts.nodes("JsonNode"))["content"] = draws.choice([*hostile, 3, None, "{"])


def _missing_key(parts, draws, other):
    node = draws.choice(parts.nodes())
    if isinstance(node.get("content"), dict) and node["content"] and draws.random() < 0.7:
        node = node["content"]
    del node[draws.choice(list(node))]


def _swapped_nodes(parts, draws, other):
    first, second = draws.sample(parts.nodes()[1:], 2)
    copies = json.loads(json.dumps([first, second]))
    for node, content in zip((first, second), reversed(copies)):
        node.clear()
        node.update(content)


def _node_of_another(parts, draws, other):
    """A part of another classifier; its arrays come with it."""
    parts.members |= other.members
    node = draws.choice(parts.nodes())
    content = json.loads(json.dumps(draws.choice(other.nodes())))
    node.clear()
    node.update(content | {"protocol": 2})


def _loader(parts, draws, other):
    loaders = ["ObjectNode", "TreeNode", "ReduceNode", "FunctionNode", "MethodNode", "PartialNode"]
    loaders += ["TypeNode", "SetNode", "CachedNode", "BytesNode", "SparseMatrixNode", "LossNode"]
    loaders += ["ConstructorFromReduceNode", "OperatorFuncNode", "JsonNode", "DictNode", "ListNode"]
    node = draws.choice(parts.nodes())
    if draws.random() < 0.5:
        node["__loader__"] = draws.choice(loaders)
    else:
        module, name = draws.choice([("os", "system"), ("builtins", "eval"), ("numpy", "ndarray")])
        node["__module__"], node["__class__"] = module, name


def _shared(parts, draws, other):
    """Forty lists, each twice in the next: 2 ** 40 steps for who walks them all."""
    kind = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
    node = kind | {"content": [], "__id__": 10**6}
    for level in range(1, 41):
        node = kind | {"content": [node, kind | {"__id__": 10**6 + level - 1}]}
        node["__id__"] = 10**6 + level
    content = draws.choice([node for node in parts.nodes("DictNode") if node["content"]])["content"]
    content[draws.choice(list(content))] = node


def _deep(parts, draws, other):
    """Lists in lists, whose text no writer of JSON makes either."""
    depth = draws.choice([200, 900, 100_000])
    head = '{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": ['
    text = json.dumps(parts.schema)
    deep = head * depth + "]}" * depth
    parts.schema = {}
    file = io.BytesIO(parts.pack())
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")  # of its second schema.json
        place = text.index('"__loader__": "JsonNode"')
        start = text.rindex("{", 0, place)
        end = text.index("}", place)
        archive.writestr("schema.json", text[:start] + deep + text[end + 1 :])
    return file.getvalue()


def _many_of_one(parts, draws, other):
    """All arrays are the same large member."""
    large = np.zeros(10**6)
    put_array(parts, "large.npy", large)
    for node in parts.nodes("NdArrayNode"):
        node["file"] = "large.npy"


def _pickle(parts, draws, other):
    name = draws.choice(list(parts.members))
    if draws.random() < 0.5:
        put_array(parts, name, np.array([{}, []], dtype=object), allow_pickle=True)
    else:
        parts.members[name] = pickle.dumps(np.ones(3))


def _huge_header(parts, draws, other):
    """An array that says to be far larger than its member."""
    name, array = _drawn_array(parts, draws)
    shape = draws.choice([(2**40,), (2**62, 4), (2**31, 2**31, 4), (-1,), (10**9,)])
    descr = np.lib.format.dtype_to_descr(array.dtype)
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    parts.members[name] = file.getvalue() + array.tobytes()


def _archive(parts, draws, other):
    """Compressed, doubled, cut off, of foreign bytes."""
    kind = draws.randrange(5)
    if kind == 0:
        parts.members["zeros.npy"] = bytes(10**8)
        return parts.pack(compression=zipfile.ZIP_DEFLATED)
    if kind == 1:
        del parts.members[draws.choice(list(parts.members))]
        return None
    whole = bytearray(parts.pack())
    if kind == 2:
        return bytes(whole[: draws.randrange(len(whole))])
    if kind == 3:
        for _ in range(20):
            whole[draws.randrange(len(whole))] = draws.randrange(256)
        return bytes(whole)
    file = io.BytesIO(whole)
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as archive:
        warnings.simplefilter("ignore")  # of the second of the name
        archive.writestr(
            draws.choice(list(parts.members)), draws.choice(list(other.members.values()))
        )
    return file.getvalue()


# Name: changes the parts of a file, or makes one of them.
ATTACKS = {
    "numbers in an array": _numbers,
    "shape of an array": _shape,
    "value of the schema": _value,
    "numbers of an array permuted": _permutation,
    "type of an array": _dtype,
    "an array for another": _other_array,
    "a node for another": _swapped_nodes,
    "a node of another classifier": _node_of_another,
    "numbers in another array": _numbers,
    "a key is missing": _missing_key,
    "loader or class of a node": _loader,
    "2 ** 40 shared lists": _shared,
    "lists in lists": _deep,
    "one large array for all": _many_of_one,
    "pickles": _pickle,
    "an array that says to be huge": _huge_header,
    "the archive": _archive,
}


EXPERIMENT = Experiment(
    __doc__,
    attack_classifiers,
    (option("--files", "of each kind of classifier", 170), option("--seed", "of what is drawn", 0)),
)


if __name__ == "__main__":
    sys.exit(
        run_experiment("hostile-classifiers", EXPERIMENT, module="tests.robustness.classifiers")
    )
