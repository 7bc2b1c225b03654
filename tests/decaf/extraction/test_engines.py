from importlib.util import find_spec

import numpy as np
import pytest

from decaf.extraction import engines
from decaf.extraction.engines import Engine, forward_pass, set_engine
from decaf.extraction.forward_pass import run_network
from decaf.networks.convolutions import build_activations, precision_of

POOLINGS = ("multilevel", "average", "flatten")


@pytest.fixture(scope="module")
def openvino():
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("OpenVINO takes networks from TensorFlow alone")
    if find_spec("openvino") is None:
        pytest.skip("the extra fast is not installed")


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), np.uint8)


def by_openvino(poolings, precision, batch, **what):
    model = build_activations("alexnet-owt", poolings, precision=precision, **what)
    set_engine(model, Engine("openvino"))
    run = forward_pass(model, len(batch))
    assert run != model.predict_on_batch
    assert precision_of(model) == precision
    return {pooling: values.copy() for pooling, values in run(batch).items()}


def test_openvino_gives_the_activations_of_keras_in_float32(openvino, noise):
    found = by_openvino(POOLINGS, "float32", noise)
    exact = build_activations("alexnet-owt", POOLINGS).predict_on_batch(noise)
    assert found.keys() == exact.keys()
    for pooling, values in exact.items():
        np.testing.assert_allclose(found[pooling], values, rtol=1e-3, atol=1e-4)


def test_openvino_gives_them_in_bfloat16_up_to_rounding(openvino, noise):
    found = by_openvino(("multilevel",), "bfloat16", noise)["multilevel"]
    exact = build_activations("alexnet-owt", ("multilevel",)).predict_on_batch(noise)["multilevel"]
    assert 1e-5 < np.abs(found - exact).max() / exact.max() < 0.01


def test_openvino_looks_at_two_sizes_side_by_side(openvino):
    noise = np.random.default_rng(1).integers(0, 256, (2, 256, 256, 3), np.uint8)
    sizes = {"blocks": 2, "sizes": (128, 256)}
    found = by_openvino(("multilevel",), "float32", noise, **sizes)["multilevel"]
    exact = build_activations("alexnet-owt", ("multilevel",), **sizes).predict_on_batch(noise)
    np.testing.assert_allclose(found, exact["multilevel"], rtol=1e-3, atol=1e-4)


def test_photos_go_through_openvino_where_there_are_enough_of_them(openvino, samples, monkeypatch):
    paths = sorted(map(str, samples.glob("*.jpg")))[:6]
    model = build_activations("alexnet-owt", ("average",), blocks=1)
    (expected,) = run_network([paths], model, batch_size=4)
    set_engine(model, Engine("openvino", pays_from=7))
    converted = []
    convert = engines.convert
    monkeypatch.setattr(engines, "convert", lambda *what: converted.append(what) or convert(*what))
    for n_photos, n_converted in ((6, 0), (7, 1), (None, 1)):
        (rows,) = run_network([paths], model, batch_size=4, n_photos=n_photos)
        assert len(converted) == n_converted
        np.testing.assert_allclose(
            rows.activations["average"], expected.activations["average"], rtol=2e-3, atol=2e-3
        )


def test_nothing_is_prepared_where_no_photo_is_wanted(openvino, samples, monkeypatch):
    paths = sorted(map(str, samples.glob("*.jpg")))[:2]
    model = build_activations("alexnet-owt", ("average",), blocks=1)
    set_engine(model, Engine("openvino"))
    monkeypatch.setattr(engines, "convert", None)
    (rows,) = run_network([paths], model, wanted=lambda digest: False)
    assert len(rows.unwanted) == 2


def test_openvino_reports_nothing_to_its_makers(openvino):
    import openvino  # noqa: F401
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub"


@pytest.mark.parametrize(
    ("size", "gigabytes", "at_once", "wanted"),
    [(224, None, 1, 32), (224, 80, 1, 256), (224, 80, 2, 128), (448, 80, 2, 32), (448, 0, 2, 1)],
)
def test_a_batch_is_as_large_as_the_memory_of_a_gpu_has_room_for(
    size, gigabytes, at_once, wanted, monkeypatch
):
    model = build_activations("alexnet-owt", ("average",), blocks=1, weights=None, sizes=(size,))
    monkeypatch.setattr(engines, "has_gpu", lambda: gigabytes is not None)
    monkeypatch.setattr(engines, "gpu_bytes", lambda: gigabytes * 10**9)
    monkeypatch.setattr(engines, "batches_at_once", lambda: at_once)
    assert engines.batch_size_of(model) == wanted
