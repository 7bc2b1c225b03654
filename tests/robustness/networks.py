"""Hostile networks and records: models of one tiny network, with something else in their files.

Each model is loaded and ranks three photos, in a process of its own with limits on its memory and
time; one that crashes or hangs is started again at the next model. Nothing may be written but the
ranking and the cache.
"""

from __future__ import annotations

import copy
import hashlib
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
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.figures import draw_bars
from experiments.frame import Experiment, option, run_experiment
from experiments.pages import Page, table
from features.errors import InputError

sys.path.insert(0, str(Path(__file__).parents[1]))

MEMORY_LIMIT = 2**33
HANG_SECONDS = 60
N_PHOTOS = 3
OUTCOMES = (
    "refused", "survived", "crashed", "hung", "traceback", "not one line", "not finite",
    "wrote outside",
)  # fmt: skip
NETWORK, RECORD, CLASSIFIER = "network.keras", "model.json", "classifier.skops"
PHOTOS, NETWORK_PHOTOS = "trained_on.bin", "finetuned_on.bin"
TEXT = """\
Something is replaced in the files of a model: in the records of network and model, in the graph
that Keras would build, in the weights, in the archive, among the photos that trained network and
classifier; the digests in `model.json` are made to fit,
as a person would. A model is *refused* with one line, an `InputError`, or *survived*: it ranks
{photos} photos by finite scores and writes its page. Everything else is a failure: a crash of the
process, {hang} seconds without an answer, another exception, a score that is no number, a file
written elsewhere than into ranking and cache. A process may have {memory:.0f} GiB of address
space."""

# Digests of the photos of the models: three trained each network, and two others its classifier.
TRAINED_ON = {
    "finetuned_on": [f"{number:02x}" * 16 for number in range(3)],
    "trained_on": [f"{number:02x}" * 16 for number in range(1, 5)],
}

# What no program writes in the place of a value.
STRANGE = (
    None, True, -1, 0, 1, 7, 2**31, 2**63, 10**400, -0.5, 1e308, -1e308, float("nan"), float("inf"),
    "", "../../outside", "/outside", "\ud800", "flatten", "average", "label", "a\nb", "x" * 10**5,
    [], [[]], [None, 1], ["\ud800"], {}, {"a": [1]}, [1, float("nan")],
)  # fmt: skip


def attack_networks(args) -> Page:
    """Make hostile models of each kind, and rank by them."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        whole = make_model(folder)
        models = [
            (name, content)
            for name in ATTACKS
            for content in hostile_models(whole, name, args.models, args.seed)
        ]
        found = examine([whole, *(content for _, content in models)], folder)
    (outcome, *_), *found = found
    if outcome != "survived":
        raise RuntimeError(f"the whole model is {outcome}")
    rows = [
        {
            "attack": name,
            "outcome": outcome,
            "said": said.replace(f"{folder}/", ""),
            "seconds": seconds,
        }
        for (name, _), (outcome, said, seconds) in zip(models, found)
    ]
    by_attack = []
    for name in ATTACKS:
        own = [row for row in rows if row["attack"] == name]
        counts = Counter(row["outcome"] for row in own)
        seconds = round(sum(row["seconds"] for row in own), 1)
        by_attack.append(
            {"attack": name, "tried": len(own)}
            | {outcome: counts[outcome] for outcome in OUTCOMES}
            | {"seconds": seconds}
        )
    shares = {
        outcome: [100 * row[outcome] / row["tried"] for row in by_attack]
        for outcome in OUTCOMES[:2]
    }
    return Page(
        title="Hostile networks and records",
        text=TEXT.format(photos=N_PHOTOS, hang=HANG_SECONDS, memory=MEMORY_LIMIT / 2**30),
        tables={"Attacks": table(by_attack, {name: f"{{{name}}}" for name in by_attack[0]})},
        rows=rows,
        figure=draw_bars(list(ATTACKS), shares, xlabel="% of the models", size=(7, 2.6)),
        facts={"models": f"{len(rows):,}, of a network of one block and a head of 8 units"},
        failed=any(row["outcome"] not in OUTCOMES[:2] for row in rows),
    )


def make_model(folder: Path) -> dict[str, bytes]:
    """Make photos, and the files of a whole model that ranks them."""
    make_photos(folder / "photos")
    process = multiprocessing.get_context("spawn").Process(
        target=_save_model, args=(folder / "whole",)
    )
    process.start()
    process.join()
    return {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}


def make_photos(folder: Path) -> None:
    """Make photos of blurred colours."""
    folder.mkdir()
    draws = np.random.default_rng(0)
    for number in range(N_PHOTOS):
        colours = draws.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        photo = Image.fromarray(colours).resize((320, 240), Image.Resampling.BICUBIC)
        photo.save(folder / f"{number}.jpg")


def _save_model(folder):
    from tiny_model import save_tiny_model

    save_tiny_model(folder, **TRAINED_ON)


def hostile_models(whole, attack, n_models, seed=0):
    """Draw hostile models.

    Parameters
    ----------
    whole : dict of str to bytes
        Files of a whole model.
    attack : str
        One of `ATTACKS`.
    n_models, seed : int

    Yields
    ------
    dict of str to bytes
        Files.
    """
    draws = random.Random(f"{attack} {seed}")
    for number in range(n_models):
        files = dict(whole)
        ATTACKS[attack](files, draws, number)
        record = files[RECORD]
        for name in (NETWORK, CLASSIFIER, PHOTOS):
            digests = (hashlib.sha256(each[name]).hexdigest().encode() for each in (whole, files))
            record = record.replace(*digests)
        yield files | {RECORD: record}


def _members(files):
    with zipfile.ZipFile(io.BytesIO(files[NETWORK])) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _pack(files, members, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    files[NETWORK] = file.getvalue()


def _replace_somewhere(values, draws, number):
    """Put something strange in the place of a value; each of the uppermost comes first."""
    places = [(values, key) for key in values]
    if number >= len(places):
        places = list(_places(values))
    parent, key = places[number] if number < len(values) else draws.choice(places)
    if draws.random() < 0.1:
        del parent[key]
    else:
        parent[key] = copy.deepcopy(draws.choice(STRANGE))


def _places(value):
    """Every value within a value: what holds it, and its key there."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _dump(value, draws):
    """A value as JSON; now and then with a key twice, or levels without end."""
    text = json.dumps(value)
    chance = draws.random()
    if chance < 0.05:
        text = text.replace("{", '{"kind": "votes", "name": "x", "kind": 3, ', 1)
    elif chance < 0.1:
        text = text.replace("null", "[" * 900 + "]" * 900, 1)
    elif chance < 0.12:
        text = "[" * 10**6
    return text.encode()


def _change_network_record(files, draws, number):
    members = _members(files)
    record = json.loads(members["decaf.json"])
    _replace_somewhere(record, draws, number)
    _pack(files, members | {"decaf.json": _dump(record, draws)})


def _change_model_record(files, draws, number):
    record = json.loads(files[RECORD])
    part = record["calibration"] if number % 3 else record
    _replace_somewhere(part, draws, number // 2)
    files[RECORD] = _dump(record, draws)


def _change_graph(files, draws, number):
    """Any value of the config."""
    members = _members(files)
    config = json.loads(members["config.json"])
    parent, key = draws.choice(list(_places(config["config"]["layers"])))
    parent[key] = copy.deepcopy(draws.choice(STRANGE))
    _pack(files, members | {"config.json": _dump(config, draws)})


def _change_layers(files, draws, number):
    """Layers as a whole: renamed, of another kind, in another place, of absurd size."""
    members = _members(files)
    config = json.loads(members["config.json"])
    layers = config["config"]["layers"]
    first, second = draws.sample(range(len(layers)), 2)
    layer = layers[first]
    ways = (
        lambda: layer.update(name="fc7"),
        lambda: layer.update(class_name="Lambda", config={"function": "__import__('os')"}),
        lambda: layer.update(class_name=draws.choice(("Activation", "Dense", "Functional"))),
        lambda: layer.update(inbound_nodes=layers[second]["inbound_nodes"]),
        lambda: layer.update(inbound_nodes=layer["inbound_nodes"] * 3),
        lambda: layers.insert(first, layers.pop(second)),
        lambda: layers.pop(first),
        lambda: layers.extend(copy.deepcopy(layers) * 100),
        lambda: layers[0]["config"].update(batch_shape=[None, *[draws.choice(SIZES)] * 2, 3]),
        lambda: layer["config"].update(
            units=draws.choice(SIZES), filters=draws.choice(SIZES), pool_size=draws.choice(SIZES)
        ),
        lambda: layer["config"].update(kernel_size=[draws.choice(SIZES)] * 2, groups=3),
        lambda: layer["config"].update(strides=[draws.choice(SIZES)] * 2, padding="same"),
        lambda: layer["config"].update(
            scale=draws.choice((0.0, 1e38, 1e308, [1, 2])), offset=-1e38
        ),
        lambda: layer["config"].update(dtype=draws.choice(("float16", "int8", "complex64"))),
        lambda: config["config"].update(output_layers=[[layers[second]["name"], 0, 0]]),
        lambda: config["config"].update(input_layers=[[layers[second]["name"], 0, 0]] * 2),
    )
    ways[number % len(ways)]()
    _pack(files, members | {"config.json": json.dumps(config).encode()})


SIZES = (0, 1, 64, 225, 10**4, 10**6, 10**9, 2**31)


def _change_weights(files, draws, number):
    """Numbers that are none, of absurd size, elsewhere, of other shapes."""
    import h5py

    members = _members(files)
    file = io.BytesIO(members["model.weights.h5"])
    with h5py.File(file, "r+") as weights:
        names = []
        weights.visititems(
            lambda name, each: names.append(name) if isinstance(each, h5py.Dataset) else None
        )
        name = draws.choice(names)
        values = weights[name][()]
        ways = (
            lambda: np.full_like(values, np.nan),
            lambda: np.where(np.arange(values.size).reshape(values.shape) == 0, np.nan, values),
            lambda: np.full_like(values, np.inf),
            lambda: np.full_like(values, draws.choice((3e38, -3e38, 1e30, 1e6))),
            lambda: values.ravel(),
            lambda: values[..., :1],
            lambda: values.astype("S4"),
            lambda: values.astype("f8"),
            lambda: h5py.SoftLink(f"/{name}"),
            lambda: h5py.ExternalLink("/etc/passwd", "/"),
            lambda: None,
        )
        value = ways[number % len(ways)]()
        del weights[name]
        if value is None:
            weights.create_dataset(name, (10**9, 10**6), "f4", chunks=(1024, 10))
        else:
            weights[name] = value
    _pack(files, members | {"model.weights.h5": file.getvalue()})


def _damage_weights(files, draws, number):
    """Bytes of the weights' file, half of them among HDF5's own."""
    members = _members(files)
    content = bytearray(members["model.weights.h5"])
    for _ in range(draws.randint(1, 8)):
        place = int(draws.random() ** draws.choice((1, 4)) * len(content))
        size = draws.choice((1, 2, 4, 8))
        value = draws.choice((0, 1, 0xFF, 2**63 - 1, draws.getrandbits(64)))
        content[place : place + size] = (value % 256**size).to_bytes(size, "little")
    if number % 10 == 9:
        del content[draws.randrange(len(content)) :]
    _pack(files, members | {"model.weights.h5": bytes(content)})


def _change_archive(files, draws, number):
    members = _members(files)
    name = draws.choice(sorted(members))
    ways = (
        lambda: _pack(files, {n: c for n, c in members.items() if n != name}),
        lambda: _pack(files, members | {"../../outside": b"x"}),
        lambda: _pack(files, members | {"/outside": b"x", "assets/a": b"x"}),
        lambda: _pack(files, members | {name: b""}),
        lambda: _pack(files, members | {name: b"\0" * 10**6}, compression=zipfile.ZIP_DEFLATED),
        lambda: files.update({NETWORK: files[NETWORK][: draws.randrange(len(files[NETWORK]))]}),
        lambda: files.update({NETWORK: files[CLASSIFIER]}),
        lambda: _pack(files, members | {name: members["decaf.json"]}),
    )
    ways[number % len(ways)]()


def _change_photos(files, draws, number):
    """What network and classifier were trained on: unsorted, cut off, gone, not counted."""
    members = _members(files)
    content = files[PHOTOS] if number % 2 else members[NETWORK_PHOTOS]
    ways = (
        lambda: content[8:] + content[:8],
        lambda: content + content[-8:],
        lambda: content[: draws.randrange(1, len(content))],
        lambda: draws.randbytes(draws.choice((8, 16, 80, 8 * 10**5))),
        lambda: np.arange(10**6, dtype=">u8").tobytes(),
        lambda: b"",
        lambda: pickle.dumps({"finetuned_on": []}),
        lambda: None,
    )
    changed = ways[number // 2 % len(ways)]()
    if number % 2:
        files[PHOTOS] = changed or b""
        return
    record = json.loads(members["decaf.json"])
    record["finetuned_on"] = draws.choice((3, 0, len(changed or b"") // 8, 2**62))
    members |= {"decaf.json": json.dumps(record).encode(), NETWORK_PHOTOS: changed}
    _pack(files, {name: each for name, each in members.items() if each is not None})


ATTACKS = {
    "network's record": _change_network_record,
    "model's record": _change_model_record,
    "values of the graph": _change_graph,
    "layers": _change_layers,
    "weights": _change_weights,
    "bytes of the weights": _damage_weights,
    "archive": _change_archive,
    "photos": _change_photos,
}


def examine(models, folder):
    """Rank by models in processes of their own, one after the other.

    Parameters
    ----------
    models : sequence of dict of str to bytes
        Their files.
    folder : pathlib.Path
        As `make_model` leaves it.

    Returns
    -------
    list of (str, str, float)
        Outcome, what was said, and seconds of each.
    """
    context = multiprocessing.get_context("spawn")
    found = []
    while len(found) < len(models):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_examine, args=(models[len(found) :], folder, sender))
        process.start()
        sender.close()
        while True:
            try:
                found.append(receiver.recv())
            except EOFError:
                break
        process.join()
        if len(found) < len(models):
            said = (folder / "stderr").read_text(errors="replace")
            hung = "Timeout (" in said
            found.append(
                ("hung", "", HANG_SECONDS)
                if hung
                else ("crashed", f"{process.exitcode}: {said[-300:]}", 0.0)
            )
    return found


def _examine(models, folder, sender):
    """Rank by models, and send what became of each; in a process of its own."""
    import faulthandler
    import resource

    with open(folder / "stderr", "w") as stderr:
        os.dup2(stderr.fileno(), 2)
    import decaf.ranking.ranking  # noqa: F401  (before memory is limited and time is taken)

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    warnings.simplefilter("ignore")
    for files in models:
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        start = time.monotonic()
        outcome, said = rank_by(files, folder)
        faulthandler.cancel_dump_traceback_later()
        sender.send((outcome, said, round(time.monotonic() - start, 2)))


def rank_by(files, folder):
    """Rank by a model; give what became of it, and what was said.

    Parameters
    ----------
    files : dict of str to bytes
        The model's.
    folder : pathlib.Path
        As `make_model` leaves it.

    Returns
    -------
    outcome, said : str
    """
    import shutil

    from decaf.models.model import load_model
    from decaf.ranking.ranking import rank_photos

    own = folder / "run" / "deep" / "er"
    shutil.rmtree(folder / "run", ignore_errors=True)
    (own / "model").mkdir(parents=True)
    for name, content in files.items():
        (own / "model" / name).write_bytes(content)
    said = ""
    try:
        model = load_model(own / "model", "float32")
        ranking = rank_photos(folder / "photos", model, cache=own / "cache", progress=False)
        ranking.write(own / "ranking", progress=False)
        numbers = [value for photo in ranking for value in (photo.score, photo.probability)]
        page = (own / "ranking" / "ranking.html").stat().st_size
        is_right = len(ranking) == N_PHOTOS and page > 0 and np.isfinite(numbers).all()
        outcome = "survived" if is_right else "not finite"
    except InputError as error:
        said = str(error)
        outcome = "refused" if len(said.splitlines()) == 1 and len(said) < 2_000 else "not one line"
    except Exception as error:
        outcome, said = "traceback", f"{type(error).__name__}: {error}"[:300]
    outside = {path.name for path in (*folder.iterdir(), *(folder / "run").rglob("*outside*"))}
    outside -= {"photos", "whole", "run", "stderr"}
    beside = {path.name for path in own.iterdir()} - {"model", "cache", "ranking"}
    if outside or beside:
        outcome, said = "wrote outside", ", ".join(sorted(outside | beside))
    return outcome, said


EXPERIMENT = Experiment(
    __doc__,
    attack_networks,
    (option("--models", "of each attack", 40), option("--seed", "of what is drawn", 0)),
)


if __name__ == "__main__":
    sys.exit(run_experiment("hostile-networks", EXPERIMENT, module="tests.robustness.networks"))
