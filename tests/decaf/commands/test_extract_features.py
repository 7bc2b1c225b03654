"""extract-features: what it prints, its refusals, its exit statuses."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

from decaf.commands import extract_features
from decaf.extraction.feature_network import PlainBackbone
from decaf.networks.network import build_plain_network, load_network
from decaf.networks.network_file import read_record
from decaf.training.networks import finetune_networks
from decaf.training.settings import RECIPES
from decaf.training.training_photos import read_training_photos
from features.photos import read_photo, resize_photo
from features.ratings import read_ratings


@pytest.fixture(scope="module")
def networks(samples, tmp_path_factory):
    """Files of a network of labels and of one of votes, by their kind."""
    folder = tmp_path_factory.mktemp("networks")
    backbone = PlainBackbone("alexnet-owt", "multilevel", blocks=2)
    rated = read_ratings(samples / "ratings.csv")
    photos = read_training_photos(rated, backbone, progress=False)
    settings = replace(RECIPES["decaf"], epochs=2)
    made = {}
    for kind in ("label", "votes"):
        (file,) = finetune_networks(photos, [8], folder, settings, kind=kind, progress=False)
        made[kind] = file.path
    return made


def extract(*argv):
    return extract_features.main([str(each) for each in argv])


def test_features_of_a_network_come_with_ratings_and_know_their_training_photos(
    samples, networks, tmp_path, capsys
):
    network = networks["label"]
    ratings = samples / "ratings.csv"
    output = tmp_path / "f.h5"
    assert extract(samples, "--network", network, "--ratings", ratings, "-o", output) == 0
    assert "60 photos × 8 features" in capsys.readouterr().out
    with h5py.File(output) as store:
        assert store["features"].shape == (60, 8)
        assert store["votes"].shape == (60, 10)
        assert store["finetuned"][:].sum() == 60 - read_record(network).test["photos"]
        made_by = json.loads(store["provenance"][()])["made_by"]
        assert made_by["midpoint"] == 5
        assert made_by["finetuned_on"] == store["finetuned"][:].sum()


def test_features_of_a_network_of_votes_come_with_the_predicted_mean_and_spread(
    samples, networks, tmp_path
):
    output = tmp_path / "f.h5"
    assert extract(samples, "--network", networks["votes"], "-o", output) == 0
    network = load_network(networks["votes"]).keras_model
    photo = sorted(samples.glob("*.jpg"))[7]
    with h5py.File(output) as store:
        row = [os.fsdecode(path) for path in store["path"][:]].index(photo.name)
        mean, spread = store["predicted_mean"][row], store["predicted_spread"][row]
        assert store["features"].shape == (60, 8)
    rgb = resize_photo(read_photo(photo)[0], 224)
    (shares,) = network.predict_on_batch(rgb[None])
    steps = np.arange(1, 11)
    assert mean == pytest.approx(shares @ steps, rel=1e-2)
    assert spread == pytest.approx(np.sqrt(shares @ (steps - shares @ steps) ** 2), rel=1e-2)


def test_a_plain_backbone_gives_averages_of_all_photos_of_a_folder(samples, tmp_path):
    output = tmp_path / "plain.h5"
    (tmp_path / "photos").mkdir()
    for photo in sorted(samples.glob("*.jpg"))[:3]:
        (tmp_path / "photos" / photo.name).write_bytes(photo.read_bytes())
    (tmp_path / "photos" / "broken.png").write_bytes(b"no photo")
    assert extract(tmp_path / "photos", "--backbone", "alexnet-owt", "-o", output) == 0
    with h5py.File(output) as store:
        assert store["features"].shape == (3, 256)
        assert store["failed"]["path"][0] == b"broken.png"
        assert not store["finetuned"][:].any()
        assert np.isfinite(store["features"][:]).all()


def test_a_plain_backbone_gives_the_averages_of_all_its_blocks_when_asked(samples, tmp_path):
    output = tmp_path / "plain.h5"
    ratings = samples / "ratings.csv"
    options = ["--pooling", "multilevel", "--blocks", "2", "--backbone", "alexnet-owt"]
    assert extract(samples, "--ratings", ratings, *options, "-o", output) == 0
    with h5py.File(output) as store:
        assert store["features"].shape == (60, 64 + 192)
        assert json.loads(store["provenance"][()])["made_by"]["pooling"] == "multilevel"


def test_a_plain_backbone_in_a_models_file_gives_what_its_options_give(samples, tmp_path):
    network = build_plain_network("alexnet-owt", "average", 2, resize="pad")
    network.save(tmp_path / "network.keras")
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--resize", "pad"]
    precision = ["--precision", "float32", "-o"]
    given = ["--network", tmp_path / "network.keras"]
    assert extract(samples, *options, *precision, tmp_path / "options.h5") == 0
    assert extract(samples, *given, *precision, tmp_path / "file.h5") == 0
    with h5py.File(tmp_path / "options.h5") as one, h5py.File(tmp_path / "file.h5") as other:
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name][()], other[name][()])


def test_photos_that_cannot_be_read_are_counted_in_the_summary(samples, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    photo = next(samples.glob("*.jpg"))
    (tmp_path / "photos" / "good.jpg").write_bytes(photo.read_bytes())
    for number in range(7):
        (tmp_path / "photos" / f"bad{number}.jpg").write_bytes(b"")
    output = tmp_path / "f.h5"
    assert extract(tmp_path / "photos", "--backbone", "alexnet-owt", "-o", output) == 0
    out, err = capsys.readouterr()
    assert "1 photos × 256 features, 7 photos failed" in out
    assert "7 photos could not be read:" in err
    assert "'bad0.jpg': " in err
    assert "and 2 more" in err
    assert extract(tmp_path / "photos", "--backbone", "alexnet-owt", "-o", output, "--force") == 0
    strictly = ["--backbone", "alexnet-owt", "-o", output, "--force", "--strict"]
    assert extract(tmp_path / "photos", *strictly) == 1
    assert extract(samples, *strictly) == 0


def test_an_error_about_a_name_with_line_breaks_is_one_line(tmp_path, capsys):
    assert extract(tmp_path / "no\nsuch\x1b[2Jfolder", "-o", "f.h5", "--backbone", "vgg16") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert r"no\nsuch\x1b[2Jfolder: there is no such" in line


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{photos}", "-o", "f.h5"], "give either --network FILE or --backbone NAME"),
        (["{photos}", "--network", "no.keras", "-o", "f.h5"], "no.keras: no such network file"),
        (["nowhere", "--backbone", "vgg16", "-o", "f.h5"], "nowhere: there is no such folder"),
        (["{photos}", "--backbone", "vg16", "-o", "f.h5"], "did you mean vgg16"),
        (["{photos}", "--backbone", "vgg16", "-o", "{photos}"], "is there already"),
    ],
)
def test_wrong_input_gives_one_line(argv, message, samples, capsys):
    assert extract(*(each.format(photos=samples) for each in argv)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("extract-features: error: ")
    assert message in line


def test_without_a_back_end_the_error_names_the_extra(samples, tmp_path):
    # A `tensorflow` that cannot be found, in front of the installed one.
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = None\n"
        "from decaf.commands.extract_features import main\n"
        f"sys.exit(main([{str(samples)!r}, '--backbone', 'vgg16', '-o', {str(tmp_path / 'f')!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"KERAS_BACKEND": "tensorflow", "PATH": "", "HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "extract-features: error: Keras has no back end, tensorflow is not installed: "
        "pip install 'decaf[cpu]'"
    )
