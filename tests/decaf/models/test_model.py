"""A model is one folder: what it says of photos, and which folders are refused."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import skops.io
from model_record import JUDGED, model_record
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from tiny_model import WIDTH, save_tiny_model

from classifiers.evaluation.calibration import Calibration
from decaf.extraction import engines
from decaf.models.model import Model, load_model
from decaf.networks.network import build_plain_network
from decaf.networks.network_file import read_finetuned_on
from decaf.networks.weights import file_sha256
from features.errors import AlreadyThere, InputError, NoNetworkFile
from features.photo_set import PhotoSet
from features.photos import read_photo, resize_photo


@pytest.fixture
def folder(tmp_path):
    save_tiny_model(tmp_path / "model")
    return tmp_path / "model"


def change_record(folder, **changed):
    """Write a record that says other things."""
    record = json.loads((folder / "model.json").read_text(encoding="utf-8")) | changed
    (folder / "model.json").write_text(json.dumps(record), encoding="utf-8")


CALIBRATION = Calibration(1.0, 0.0, -50.0, 50.0, 20, None, None)


def some_photos(samples, n=3):
    return sorted(str(path) for path in samples.glob("*.jpg"))[:n]


def squares(paths):
    return np.stack([resize_photo(read_photo(path, min_side=224)[0], 224) for path in paths])


def test_a_model_is_its_network_its_classifier_and_the_calibration(folder, samples):
    paths = some_photos(samples)
    model = load_model(folder, "float32")
    fc7 = model.network.features_model()
    score = model.classifier.decision_function(fc7.predict_on_batch(squares(paths)))
    probability = model.predict_proba(paths)
    assert probability.shape == (3, 2)
    np.testing.assert_allclose(probability[:, 1], expit(0.5 * score + 0.1), rtol=0.01)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert len(set(probability[:, 1])) == 3


def test_a_plain_backbone_gives_its_activations_to_the_classifier(tmp_path, samples):
    paths = some_photos(samples)
    network = build_plain_network("alexnet-owt", "average", 1, weights=None)
    random = np.random.default_rng(0)
    classifier = LogisticRegression().fit(random.normal(size=(20, 64)), np.tile([0, 1], 10))
    record = model_record(features="average", calibration=CALIBRATION)
    network = replace(network, record=replace(network.record, licence=record.licence))
    Model(network, classifier, record, PhotoSet()).save(tmp_path / "model")
    wanted = classifier.predict_proba(network.keras_model.predict_on_batch(squares(paths)))
    model = load_model(tmp_path / "model", "float32")
    np.testing.assert_allclose(model.predict_proba(paths), wanted, rtol=0.02)
    assert model.score_photos(paths, progress=False).votes is None


def test_a_network_of_votes_tells_their_shares(tmp_path, samples):
    save_tiny_model(tmp_path / "model", n_votes=7)
    model = load_model(tmp_path / "model", "float32")
    paths = some_photos(samples)
    votes = model.score_photos(paths, progress=False).votes
    np.testing.assert_allclose(
        votes, model.network.keras_model.predict_on_batch(squares(paths)), rtol=0.02
    )


def test_no_score_is_told_beside_the_order_of_a_classifier_that_has_learnt_labels(
    tmp_path, samples
):
    save_tiny_model(tmp_path / "model", levels=(1.0, 2.0, 5.0))
    model = load_model(tmp_path / "model", "float32")
    paths = some_photos(samples)
    scored = model.score_photos(paths, progress=False)
    assert scored.votes is scored.predicted is scored.spread is None


def test_a_photo_that_cannot_be_read_is_named(folder, samples, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    paths = [*some_photos(samples, 1), str(tmp_path / "broken.jpg")]
    with pytest.raises(InputError, match=r"broken\.jpg: no photo in a known format.*leave it out"):
        load_model(folder).predict_proba(paths)
    scored = load_model(folder).score_photos(paths, progress=False)
    assert [position for position, _ in scored.activations.failed] == [1]
    assert len(scored.score) == 1


@pytest.mark.parametrize("name", ["network.keras", "classifier.skops"])
def test_a_file_that_was_altered_is_refused(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: was altered since the model was made"):
        load_model(folder)


@pytest.mark.parametrize("name", ["network.keras", "classifier.skops"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: No such file"):
        load_model(folder)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"schema_version": 2}, "has schema version 2, this program reads 1; update it"),
        ({"schema_version": None}, "is not a model of decaf's"),
        ({"calibration": {"slope": "steep"}}, r"is not whole \(calibration: "),
        ({"judged": JUDGED.to_json() | {"photos": "60"}}, r"is not whole \(judged: photos must be"),
        (
            {"judged": JUDGED.to_json() | {"auc": {"value": "0.8", "low": 0, "high": 1}}},
            r"is not whole \(judged: auc: value must be a number",
        ),
        ({"judged": {"photos": 60}}, r"is not whole \(judged: does not tell .*auc"),
        ({"trained_on": {"photos": 60}}, r"is not whole \(trained_on: does not tell"),
        (
            {"trained_on": {"photos": 60, "professional": 0.5, "digests": ["00"]}},
            r"is not whole \(trained_on: holds what this version does not know: digests",
        ),
        ({"features": None}, r"is not whole \(features must be a text"),
        ({"taste": "good"}, r"is not whole \(holds what this version does not know: taste"),
        ({"sha256": {"../../etc/passwd": "0"}}, "is not whole"),
        ({"sha256": {"network.keras": "0", "classifier.skops": 0}}, "is not whole"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(folder, changed, message):
    change_record(folder, **changed)
    with pytest.raises(InputError, match=f"model.json: {message}"):
        load_model(folder)


DIGESTS = [f"{number:02x}" * 16 for number in range(9)]


def test_the_photos_that_trained_a_model_are_kept_once_in_eight_bytes_each(tmp_path):
    folder = tmp_path / "model"
    save_tiny_model(folder, finetuned_on=DIGESTS[:6], trained_on=DIGESTS[4:])
    assert (folder / "trained_on.bin").stat().st_size == 8 * 3
    assert read_finetuned_on(folder / "network.keras") == PhotoSet.of(DIGESTS[:6])
    model = load_model(folder)
    assert model.seen == PhotoSet.of(DIGESTS)
    model.save(tmp_path / "copy")
    assert load_model(tmp_path / "copy").seen == model.seen
    save_tiny_model(folder, finetuned_on=DIGESTS, trained_on=DIGESTS)
    assert not (folder / "trained_on.bin").exists()
    assert load_model(folder).seen == model.seen


def test_photos_that_trained_a_model_and_were_altered_are_refused(tmp_path):
    folder = tmp_path / "model"
    save_tiny_model(folder, trained_on=DIGESTS)
    photos = folder / "trained_on.bin"
    photos.write_bytes(bytes(16))
    with pytest.raises(InputError, match=r"trained_on\.bin: was altered since the model"):
        load_model(folder)
    sha256 = json.loads((folder / "model.json").read_text(encoding="utf-8"))["sha256"]
    change_record(
        folder, sha256=sha256 | {"trained_on.bin": file_sha256(folder / "trained_on.bin")}
    )
    with pytest.raises(
        InputError, match=r"trained_on\.bin: holds no photos' digests in their order"
    ):
        load_model(folder)
    (folder / "trained_on.bin").unlink()
    with pytest.raises(InputError, match=r"trained_on\.bin: No such file"):
        load_model(folder)


def test_a_classifier_of_other_features_than_its_network_s_is_refused(folder):
    skops.io.dump(
        LogisticRegression().fit(np.eye(9), np.arange(9) % 2), folder / "classifier.skops"
    )
    sha256 = json.loads((folder / "model.json").read_text(encoding="utf-8"))["sha256"]
    sha256["classifier.skops"] = file_sha256(folder / "classifier.skops")
    change_record(folder, sha256=sha256)
    with pytest.raises(InputError, match="does not take the 8 features of its network"):
        load_model(folder)


def test_a_model_beside_which_a_person_keeps_files_is_not_replaced_unasked(folder, tmp_path):
    model = load_model(folder)
    model.save(folder)
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(AlreadyThere, match=r"model: is not empty, and 'diary\.txt' in it"):
        model.save(folder)
    model.save(folder, force=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".decaf.json",
        "classifier.skops",
        "diary.txt",
        "model.json",
        "network.keras",
    ]
    assert load_model(folder).record == model.record


def test_a_model_that_cannot_be_written_is_named(folder):
    with pytest.raises(InputError, match=r"network\.keras: is a file; choose another folder"):
        save_tiny_model(folder / "network.keras")


def test_an_error_that_the_system_has_no_name_for_is_told_as_it_is(folder, monkeypatch):
    def fail(*_):
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="keras: the disk is gone"):
        patch.setattr("decaf.models.model.file_sha256", fail)
        load_model(folder)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="read: the disk is gone"):
        patch.setattr("pathlib.Path.read_bytes", fail)
        load_model(folder)
    monkeypatch.setattr("decaf.models.model.save_classifier", fail)
    with pytest.raises(InputError, match="model: cannot be written: the disk is gone"):
        save_tiny_model(folder)


def test_what_is_no_model_is_refused_with_the_remedy(folder, tmp_path):
    (folder / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"model\.json: is not JSON"):
        load_model(folder)
    (folder / "model.json").unlink()
    with pytest.raises(NoNetworkFile, match="holds a classifier without its network"):
        load_model(folder)
    with pytest.raises(InputError, match="there is no such folder; make a model"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is no folder"):
        load_model(folder / "network.keras")
    with pytest.raises(InputError, match=r"is not a model \(it has no model\.json\)"):
        load_model(tmp_path)


def test_a_classifier_of_foreign_types_is_not_opened_even_with_the_right_digest(folder):
    class Stranger:
        n_features_in_ = WIDTH

    skops.io.dump(Stranger(), folder / "classifier.skops")
    record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    digests = record["sha256"] | {"classifier.skops": file_sha256(folder / "classifier.skops")}
    change_record(folder, sha256=digests)
    with pytest.raises(InputError, match="holds types that a classifier of decaf never holds"):
        load_model(folder)


def test_a_model_that_was_not_written_to_its_end_is_no_model(folder, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("decaf.models.model.save_classifier", lambda *_: 1 / 0)
    for written in (folder, tmp_path / "another"):
        with pytest.raises(ZeroDivisionError):
            save_tiny_model(written)
    assert not (tmp_path / "another" / "model.json").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("layer", "bias", "told"),
    [
        ("conv1", 1e6, "gives activations that are no numbers, or too large ones"),
        ("fc7", 3e38, "model: its network gives features that are no numbers, or too large ones"),
    ],
)
def test_a_network_that_gives_absurd_numbers_ranks_no_photo(
    folder, samples, tmp_path, layer, bias, told
):
    model = load_model(folder)
    layer = model.network.keras_model.get_layer(layer)
    kernel, _ = layer.get_weights()
    layer.set_weights([kernel, np.full(kernel.shape[-1], bias)])
    with pytest.raises(InputError, match=told):
        model.score_photos(some_photos(samples), cache=tmp_path / "cache", progress=False)


def test_a_model_is_prepared_for_openvino_once(folder, samples, tmp_path, monkeypatch):
    import keras

    if keras.backend.backend() != "tensorflow" or find_spec("openvino") is None:
        pytest.skip("needs TensorFlow, and the extra fast")
    converted = []
    convert = engines.convert
    monkeypatch.setattr(engines, "convert", lambda *what: converted.append(what) or convert(*what))
    model = load_model(folder, "float32", "openvino")
    for number, path in enumerate(some_photos(samples, 2)):
        model.score_photos([path], cache=tmp_path / str(number), progress=False)
    assert len(converted) == 1


def test_a_score_that_is_no_number_ranks_no_photo(folder, samples):
    model = load_model(folder)
    model.classifier[-1].coef_[0, 0] = np.nan
    with pytest.raises(InputError, match="model: gives photos scores that are no numbers"):
        model.score_photos(some_photos(samples), progress=False)


def test_a_model_whose_record_tells_of_another_network_is_refused(folder):
    model = load_model(folder)
    with pytest.raises(InputError, match="its licence is none at all, that of its network"):
        replace(model, record=replace(model.record, licence="none at all"))
    change_record(folder, licence=None)
    with pytest.raises(InputError, match="model: its licence is None, that of its network"):
        load_model(folder)


@pytest.mark.parametrize(
    "calibration",
    [
        '{"slope": NaN}',
        '{"slope": 1%s}' % ("0" * 400),
        '{"slope": -1.0}',
        '{"slope": [[1]]}',
        '{"slope": 1, "slope": 2}',
        '{"method": "\\ud800"}',
        "[" * 5_000,
    ],
)
def test_an_absurd_calibration_is_refused_with_one_line(folder, calibration):
    text = (folder / "model.json").read_text(encoding="utf-8")
    record = json.loads(text)
    if calibration.startswith("{"):
        key = calibration[2:].split('"')[0]
        del record["calibration"][key]
        values = calibration[:-1] + ", " + json.dumps(record["calibration"])[1:]
    else:
        values = calibration
    record["calibration"] = "HERE"
    (folder / "model.json").write_text(json.dumps(record).replace('"HERE"', values))
    with pytest.raises(InputError, match=r"model\.json: is not") as refused:
        load_model(folder)
    assert len(str(refused.value).splitlines()) == 1
