"""The benchmark of extraction on three photos, within one process."""

import re

import h5py
import keras
import numpy as np
import pandas
import pytest

from decaf.networks.convolutions import build_activations
from experiments.__main__ import main
from experiments.benchmarks import contenders
from experiments.benchmarks.bench_extraction import bound, summarize
from experiments.benchmarks.contenders import Work, count_flop
from experiments.measuring import choose_photos


@pytest.fixture(scope="module")
def work(samples, tmp_path_factory):
    """Three photos in batches of two, and the network."""
    folder = tmp_path_factory.mktemp("work")
    work = Work(tuple(choose_photos(samples, 3)), str(folder), batch=2, workers=0)
    contenders.prepare(work, 4)
    return work


def features(outcome):
    with h5py.File(outcome["file"]) as store:
        return store["features"][:]


def test_decaf_and_the_plain_loops_compute_the_same_features(work):
    ours = features(contenders.decaf(work, "float32"))
    assert ours.shape == (3, 4)
    assert ours.max() > 0
    for outcome in (contenders.plain_keras(work), contenders.plain_torch(work, "float32")):
        # The activations in between are float16.
        np.testing.assert_allclose(features(outcome), ours, rtol=5e-3, atol=2e-3 * ours.max())


@pytest.fixture(scope="module")
def results(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    names = ["decaf", "Keras loop float32", "decaf float32", "decoding alone", "forward alone"]
    options = [word for name in [*names, "stages"] for word in ("--contender", name)]
    options += ["--n-photos", "3", "--batch", "2", "--width", "4", "--repeats", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.measuring.in_child", lambda function, *given: function(*given))
        command = ["--data", str(samples), "--out", str(out), *options]
        assert main(["bench-extraction", *command]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text(encoding="utf-8")


def test_the_page_tells_ratios_bounds_stages_and_agreement(results):
    table, page = results
    seconds = table.set_index("contender")["seconds"]
    ratio = seconds["Keras loop float32"] / seconds["decaf"]
    assert f"| {ratio:.2f} | " in page
    together = 3 / (seconds["decoding alone"] + seconds["forward alone"])
    assert f"| {together:.2f} | {3 / seconds['decaf']:.2f} | " in page
    assert "|  | read and decode | resize | convolutions | head | write |" in page
    (cosine,) = re.findall(r"\| Keras loop float32 \| ([01]\.\d{4})", page)
    assert float(cosine) >= 0.999  # decaf computes in bfloat16 where the hardware does
    assert "load at the start" in page and "GFLOP a photo" in page


def test_the_best_run_counts_and_the_slowest_is_told():
    runs = [
        {"contender": "decaf", "run": 1, "seconds": 2.0},
        {"contender": "product", "run": 1, "seconds": 0.5, "flop": 100},
        {"contender": "stages", "run": 1, "head": 3.0, "write": 1.0},
        {"contender": "decaf", "run": 2, "seconds": 4.0},
        {"contender": "stages", "run": 2, "head": 2.0, "write": 5.0},
    ]
    assert summarize(runs, 8) == {
        "decaf": {"speed": 4.0, "slowest": 2.0},
        "product": {"speed": 200.0, "slowest": 200.0},
        "stages": {"head": 2.0, "write": 1.0},
    }


def test_shared_cores_add_their_times_and_a_gpu_does_not():
    assert bound(30.0, 60.0, "cpu") == pytest.approx(20.0)
    assert bound(30.0, 60.0, "gpu") == 30.0


def test_vgg16_has_the_operations_that_are_known_of_it():
    # fvcore's count of torchvision's VGG16, without its dense layers: 15.35 G multiply-adds.
    vgg16 = build_activations("vgg16", weights=None)
    assert count_flop(vgg16) == 2 * 15_346_630_656


def test_dense_layers_count_two_operations_a_weight():
    photo = keras.Input((5,))
    assert count_flop(keras.Model(photo, keras.layers.Dense(3)(photo))) == 30
