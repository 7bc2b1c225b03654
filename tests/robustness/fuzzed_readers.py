"""The readers of files from strangers, and whole files for `tests.robustness.fuzz` to damage."""

import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STORE_COLUMNS = ("paths", "digests", "score", "label", "votes", "split", "failed", "attributes")


@dataclass(frozen=True)
class Reader:
    """A reader, and what it is given.

    Attributes
    ----------
    wholes : list of bytes
        Files that are damaged, or what `pack` makes files of.
    read : callable
        Takes the path of a file.
    suffix : str
        Of the file's name.
    pack : callable
        Makes the file of what was damaged; gives bytes.
    """

    wholes: list[bytes]
    read: Callable[[Path], object]
    suffix: str = ""
    pack: Callable[[bytes], bytes] = bytes


def _photos():
    import numpy as np
    from PIL import Image, ImageCms
    from skimage import data

    from features.decoding import _register_heic
    from features.photos import read_photo

    photo = Image.fromarray(np.ascontiguousarray(data.coffee()[::8, ::8]))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = photo.convert("L")
    kinds = [
        (photo, "JPEG", {"exif": exif, "icc_profile": profile}),
        (photo, "JPEG", {"progressive": True}),
        (photo.convert("CMYK"), "JPEG", {}),
        (photo, "MPO", {"save_all": True, "append_images": [photo]}),
        (photo, "PNG", {"exif": exif, "icc_profile": profile}),
        (photo, "PNG", {"save_all": True, "append_images": [photo.rotate(90)]}),
        (photo.quantize(16), "PNG", {"transparency": 1}),
        (grey.convert("I;16"), "PNG", {}),
        (photo, "WEBP", {"exif": exif}),
        (photo, "WEBP", {"lossless": True, "save_all": True, "append_images": [photo.rotate(9)]}),
        (photo, "TIFF", {"exif": exif}),
        (grey.convert("F"), "TIFF", {}),
        *((photo, "TIFF", {"compression": name}) for name in ("tiff_lzw", "jpeg", "packbits")),
        (photo, "TIFF", {"compression": "tiff_deflate"}),
        (grey.convert("1"), "TIFF", {"compression": "group4"}),
        (photo, "BMP", {}),
        (photo.quantize(64), "GIF", {"save_all": True, "append_images": [grey.quantize(64)]}),
    ]
    if _register_heic():
        kinds.append((photo, "HEIF", {"exif": exif.tobytes(), "thumbnails": [32]}))
    wholes = []
    for image, kind, options in kinds:
        file = io.BytesIO()
        image.save(file, kind, **options)
        wholes.append(file.getvalue())
    return Reader(wholes, lambda path: read_photo(path, max_pixels=4_000_000, min_side=16))


def _ratings(suffix, texts):
    from features.ratings import read_ratings

    # Kept for the process's life: the photos that are rated.
    folder = Path(tempfile.mkdtemp())
    for name in ("953619.jpg", "953958.jpg", "a b.jpg", "ç.jpg"):
        (folder / name).touch()
    return Reader(
        [text.encode() for text in texts],
        lambda path: read_ratings(path, folder, skip_missing=True),
        suffix,
    )


def _ratings_csv():
    return _ratings(
        ".csv",
        [
            "file,score,split,group\n953619.jpg,0.7,train,a\n953958.jpg,0.2,test,b\n",
            'file,label\n"a b.jpg",good\nç.jpg,bad\n',
            "file,count1,count2,count3,challenge\n953619.jpg,1,2,3,x\n953958.jpg,5,0,0,y\n",
            "\ufefffile,score\r\n953619.jpg,1e-3\r\nç.jpg,0.9\r\n",
        ],
    )


def _ratings_ava():
    return _ratings(
        ".txt",
        [
            "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n2 953958 10 7 15 26 26 21 10 8 1 2 15 21 1"
            "395\n",
        ],
    )


def _feature_files():
    import h5py
    import numpy as np

    from features.store import FeatureStore, StoreWriter

    def read(path):
        with FeatureStore(path) as store:
            for column in _STORE_COLUMNS:
                getattr(store, column)
            store.features[:10]

    wholes = []
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in (0, 3, 40):
            path = Path(folder, f"{n_rows}.h5")
            with StoreWriter(path, 5, attributes={"width": 5, "network": {"a": [1]}}) as writer:
                writer.append(
                    np.ones((n_rows, 5)),
                    [f"{row}.jpg" for row in range(n_rows)],
                    ["0" * 32] * n_rows,
                    score=np.ones(n_rows),
                    label=np.arange(n_rows) % 2,
                    votes=np.ones((n_rows, 3)),
                    split=["train"] * n_rows,
                )
                writer.fail("broken.jpg", "an empty file")
            # Chunks as large as a store's would leave hardly a place that matters.
            with h5py.File(path) as big, h5py.File(path.with_suffix(".small"), "w") as small:
                for name, dataset in big.items():
                    small[name] = dataset[()]
            wholes += [path.read_bytes()[:6000], path.with_suffix(".small").read_bytes()]
    return Reader(wholes, read)


def _manifests():
    """Manifests of a folder with one shard, and that shard."""
    import numpy as np

    from features.store import MANIFEST, FeatureStore, StoreWriter, write_manifest

    # Kept for the process's life.
    folder = Path(tempfile.mkdtemp())
    with StoreWriter(folder / "0.h5", 5) as writer:
        writer.append(np.ones((3, 5)), list("abc"), ["0" * 32] * 3, label=[0, 1, 1])
    write_manifest(folder, ["0.h5"], {"width": 5})
    whole = (folder / MANIFEST).read_bytes()

    def read(path):
        (folder / MANIFEST).write_bytes(path.read_bytes())
        with FeatureStore(folder) as store:
            for column in _STORE_COLUMNS:
                getattr(store, column)
            store.features[:10]

    return Reader([whole], read)


def _network_files():
    from decaf.networks.network_file import check_harmless, read_finetuned_on, read_record

    def read(path):
        read_record(path)
        read_finetuned_on(path)
        check_harmless(path)

    return Reader([_zip(_network_members())], read)


def _network_members_of_files():
    """Members that are damaged and packed with the others."""
    reader, members = _network_files(), _network_members()

    def pack(content):
        name, _, rest = content.partition(b"\n")
        # The damage may have reached the name.
        name = name.decode("utf-8", "replace").replace("\0", "") or "nameless"
        return _zip(members | {name: rest})

    wholes = [f"{name}\n{members[name]}".encode() for name in ("decaf.json", "config.json")]
    wholes.append(b"finetuned_on.bin\n" + members["finetuned_on.bin"])
    return Reader(wholes, reader.read, pack=pack)


def _network_members():
    from decaf.networks.record import NetworkRecord

    def part(module, class_name, **config):
        return {"module": module, "class_name": class_name, "config": config}

    policy = part("keras", "DTypePolicy", name="float32")
    dense = part("keras.layers", "Dense", name="fc6", units=4, dtype=policy)
    photo = part("keras.layers", "InputLayer", name="photo", batch_shape=[None, 8, 8, 3])
    given = {"class_name": "__keras_tensor__", "config": {"keras_history": ["photo", 0, 0]}}
    given["config"]["shape"] = [None, 8, 8, 3]
    layers = [
        photo | {"name": "photo", "inbound_nodes": []},
        dense | {"name": "fc6", "inbound_nodes": [{"args": [given], "kwargs": {}}]},
    ]
    config = part("keras.src.models.functional", "Functional", layers=layers)
    record = NetworkRecord("label", "random", "average", width=4, finetuned_on=3)
    return {
        "metadata.json": "{}",
        "config.json": json.dumps(config),
        "model.weights.h5": "weights" * 20,
        "decaf.json": json.dumps(record.to_json()),
        "finetuned_on.bin": b"\0photo_1\0photo_2\0photo_3",
    }


def _zip(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _numpy_pickles():
    import numpy as np

    from decaf.networks.pickles import read_numpy_pickle

    weights = {"conv1": [np.ones((3, 3)), np.arange(4, dtype="f4")], "fc": {"bias": np.zeros(2)}}
    array = io.BytesIO()
    np.save(array, np.array(weights, dtype=object), allow_pickle=True)
    wholes = [pickle.dumps(weights, protocol) for protocol in range(6)]
    return Reader([*wholes, array.getvalue()], read_numpy_pickle)


def _torch_pickles():
    from collections import OrderedDict

    import torch

    from decaf.networks.pickles import read_torch_pickle

    weights = OrderedDict(a=torch.ones(3, 4), b=torch.arange(5), c=torch.ones(2, 3).T)
    file = io.BytesIO()
    torch.save(weights, file, _use_new_zipfile_serialization=False)
    return Reader([file.getvalue()], read_torch_pickle)


def _classifier_files():
    from classifiers.catalogue import load_classifier

    return Reader([_classifier_file()], load_classifier, ".skops")


def _classifier_schemas():
    """What a classifier is made of, damaged and packed with its arrays."""
    from classifiers.catalogue import load_classifier

    with zipfile.ZipFile(io.BytesIO(_classifier_file())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.dumps(json.loads(members["schema.json"]), separators=(",", ":")).encode()
    return Reader(
        [schema],
        load_classifier,
        ".skops",
        lambda content: _zip(members | {"schema.json": content}),
    )


def _classifier_file():
    import numpy as np

    from classifiers.catalogue import make_classifier, save_classifier

    rows = np.random.default_rng(0).normal(size=(40, 3))
    classifier = make_classifier("gaussian-naive-bayes").fit(rows, np.arange(40) % 2)
    with tempfile.TemporaryDirectory() as folder:
        save_classifier(classifier, Path(folder, "classifier.skops"))
        return Path(folder, "classifier.skops").read_bytes()


# Name: makes the reader, in the process that is to run it.
READERS = {
    "photos": _photos,
    "ratings CSV": _ratings_csv,
    "AVA.txt": _ratings_ava,
    "feature files": _feature_files,
    "manifests of shards": _manifests,
    "network files": _network_files,
    "members of network files": _network_members_of_files,
    "NumPy pickles": _numpy_pickles,
    "PyTorch pickles": _torch_pickles,
    "classifier files": _classifier_files,
    "schemas of classifiers": _classifier_schemas,
}
