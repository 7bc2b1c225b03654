import functools
import json
from importlib.util import find_spec

import numpy as np
import pytest

from decaf.extraction import choosing
from decaf.extraction.choosing import MEASURED_FROM, settle
from decaf.extraction.engines import Engine, _engines, time_batches
from decaf.networks.convolutions import build_activations, precision_of
from features.errors import InputError

FOUR = ["keras float32", "keras bfloat16", "openvino float32", "openvino bfloat16"]


@pytest.fixture
def model():
    return build_activations("alexnet-owt", ("average",), blocks=1, weights=None)


@pytest.fixture
def machine(monkeypatch):
    """One whose CPU has bfloat16, with OpenVINO, and with speeds of its own."""
    measured = []

    def measure(speeds):
        def give(convolutions, ways, batch_size):
            measured.append([" ".join(way) for way in ways])
            return {name: float(speeds[name]) for name in measured[-1]} | {"preparation": 4.0}

        monkeypatch.setattr(choosing, "_measure", give)
        return measured

    monkeypatch.setattr(choosing, "has_gpu", lambda: False)
    monkeypatch.setattr(choosing, "why_no_openvino", lambda: None)
    monkeypatch.setattr(choosing.metadata, "version", lambda package: "1")
    monkeypatch.setattr(
        choosing, "choose_precision", lambda asked: "bfloat16" if asked == "auto" else asked
    )
    return measure


def chosen(model):
    return _engines[model].name, precision_of(model)


def test_the_fastest_is_taken_and_kept_with_what_pays(machine, model, tmp_path, capsys):
    measured = machine(dict(zip(FOUR, (44, 33, 85, 134))))
    settle(model, MEASURED_FROM, cache=tmp_path)
    assert chosen(model) == ("openvino", "bfloat16")
    # Keras takes 1/33 of a second a photo, OpenVINO 1/134 and 4 seconds first.
    assert _engines[model] == Engine("openvino", pays_from=176)
    assert measured == [FOUR]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "openvino float32 85, openvino bfloat16 134" in said

    again = build_activations("alexnet-owt", ("average",), blocks=1, weights=None)
    again.set_weights(model.get_weights())
    settle(again, 1, cache=tmp_path)
    assert chosen(again) == ("openvino", "bfloat16")
    assert measured == [FOUR]
    assert capsys.readouterr().err == ""


def test_another_network_or_batch_is_measured_for_itself(machine, model, tmp_path):
    measured = machine(dict(zip(FOUR, (44, 33, 85, 134))))
    other = build_activations("alexnet-owt", ("average",), blocks=1, weights=None)
    for each, batch_size in ((model, 32), (other, 32), (model, 8), (model, 32)):
        settle(each, MEASURED_FROM, batch_size=batch_size, cache=tmp_path)
    assert len(measured) == 3


def test_float32_is_taken_where_bfloat16_is_slower(machine, model, tmp_path):
    machine(dict(zip(FOUR, (205, 145, 0, 0))))
    settle(model, MEASURED_FROM, cache=tmp_path)
    assert chosen(model) == ("keras", "float32")


def test_few_photos_are_computed_by_keras_and_nothing_is_measured(machine, model, tmp_path):
    measured = machine({})
    settle(model, MEASURED_FROM - 1, cache=tmp_path)
    assert chosen(model) == ("keras", "bfloat16")
    assert measured == []
    assert not any(tmp_path.iterdir())


def test_what_is_asked_for_is_taken(machine, model, tmp_path):
    measured = machine(dict(zip(FOUR, (44, 33, 85, 134))))
    asked = {"precision": "float32", "engine": "keras"}
    settle(model, MEASURED_FROM, **asked, cache=tmp_path)
    assert chosen(model) == ("keras", "float32")
    assert measured == []
    settle(model, MEASURED_FROM, **asked | {"engine": "auto"}, cache=tmp_path)
    assert chosen(model) == ("openvino", "float32")
    settle(model, 1, **asked | {"engine": "openvino"}, cache=tmp_path)
    assert _engines[model] == Engine("openvino", pays_from=0)
    with pytest.raises(InputError, match="engine 'onnx': choose one of auto, keras, openvino"):
        settle(model, 1, engine="onnx")


def test_a_measurement_that_cannot_be_read_is_made_anew(machine, model, tmp_path):
    measured = machine(dict(zip(FOUR, (44, 33, 85, 134))))
    settle(model, MEASURED_FROM, cache=tmp_path)
    (kept,) = (tmp_path / "speeds").iterdir()
    for damaged in ("", "[]", '{"keras float32": "fast"}'):
        kept.write_text(damaged)
        settle(model, MEASURED_FROM, cache=tmp_path)
    assert len(measured) == 4
    assert json.loads(kept.read_text())["openvino bfloat16"] == 134


def test_a_measurement_that_cannot_be_kept_is_used_all_the_same(machine, model, tmp_path):
    machine(dict(zip(FOUR, (44, 33, 85, 134))))
    (tmp_path / "speeds").write_text("is a file")
    settle(model, MEASURED_FROM, cache=tmp_path)
    assert chosen(model) == ("openvino", "bfloat16")


def test_without_openvino_the_message_names_the_extra(model, monkeypatch):
    import decaf.extraction.engines as engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed: pip install 'decaf\[fast\]'"):
        settle(model, 1, engine="openvino")
    settle(model, 1, precision="float32")
    assert chosen(model) == ("keras", "float32")


def test_every_way_is_measured_and_an_engine_that_computes_something_else_is_not_taken(
    model, tmp_path, monkeypatch
):
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("OpenVINO takes networks from TensorFlow alone")
    if find_spec("openvino") is None:
        pytest.skip("the extra fast is not installed")
    monkeypatch.setattr(choosing, "time_batches", functools.partial(time_batches, seconds=0))
    ways = [tuple(name.split()) for name in FOUR]
    measured = choosing._measure(model, ways, 4)
    assert all(measured[name] > 1 for name in FOUR)
    assert measured["preparation"] > 0

    def wrong(converted, precision, batch_size):
        return lambda batch: {"average": np.eye(4, 64, dtype=np.float32)}

    monkeypatch.setattr(choosing, "compile_in", wrong)
    measured = choosing._measure(model, ways, 4)
    assert [measured[name] > 0 for name in FOUR] == [True, True, False, False]
