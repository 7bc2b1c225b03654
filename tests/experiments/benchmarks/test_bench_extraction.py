"""The benchmark of extraction on three photos, within one process."""

import re

import h5py
import numpy as np
import pandas
import pytest
import torch

from decaf.networks.network import build_plain_network
from experiments.__main__ import main
from experiments.benchmarks import bench_extraction, contenders
from experiments.benchmarks.bench_extraction import BACKBONES, bound, summarize, targets
from experiments.benchmarks.contenders import Work
from experiments.benchmarks.torch_backbones import TorchBackbone
from experiments.measuring import choose_photos


def features(outcome):
    with h5py.File(outcome["file"]) as store:
        return store["features"][:]


@pytest.fixture(scope="module", autouse=True)
def nothing_measured():
    """All is equally fast, so that Keras is taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "decaf.extraction.choosing._measure",
            lambda convolutions, ways, batch_size: {" ".join(way): 1.0 for way in ways},
        )
        yield


def test_decaf_and_the_plain_loops_compute_the_same_features(samples, tmp_path):
    paths = tuple(choose_photos(samples, 3))
    work = Work(paths, "alexnet-owt", (96, 192), "average", str(tmp_path), batch=2, workers=0)
    contenders.prepare(work)
    ours = features(contenders.decaf(work, "keras", "float32"))
    assert ours.shape == (3, 512)
    assert ours.max() > 0
    for outcome in (contenders.plain_keras(work), contenders.plain_torch(work, "float32")):
        # Our activations are float16.
        np.testing.assert_allclose(features(outcome), ours, rtol=5e-3, atol=2e-3 * ours.max())


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_backbone_in_pytorch_is_the_one_that_decaf_has(backbone):
    keras_model = build_plain_network(backbone, "multilevel", sizes=(64, 128)).keras_model
    theirs = TorchBackbone(backbone, "multilevel", (64, 128)).eval()
    theirs.assign(keras_model.get_weights())
    state = theirs.state_dict()
    n_weights = sum(w.numel() for name, w in state.items() if "num_batches" not in name)
    assert n_weights == keras_model.count_params()
    photos = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3)).astype(np.float32)
    ours = np.asarray(keras_model(photos))
    normalised = np.asarray(keras_model.get_layer("normalisation")(photos))
    with torch.inference_mode():
        found = theirs(torch.from_numpy(normalised.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(found, ours, rtol=1e-3, atol=1e-4 * ours.max())


@pytest.fixture(scope="module")
def results(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    names = ["decaf", "Keras loop", "decaf float32", "decoding alone", "forward pass alone"]
    options = [word for name in names for word in ("--contender", name)]
    options += [
        "--backbone",
        "alexnet-owt",
        "--size",
        "64",
        "--n-photos",
        "3",
        "--batch",
        "2",
        "--repeats",
        "1",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.measuring.in_child", lambda function, *given: function(*given))
        patch.setattr(bench_extraction, "targets", lambda *given: {"Keras loop": 6.0})
        command = ["--data", str(samples), "--out", str(out), *options]
        assert main(["bench-extraction", *command]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text(encoding="utf-8")


def test_the_page_tells_ratios_what_is_allowed_and_agreement(results):
    table, page = results
    seconds = table.set_index("contender")["seconds"]
    assert "takes what it has measured to be the fastest here: keras in" in page.replace("\n", " ")
    (ratio, reached) = re.search(
        r"\| Keras loop \| .*\) \| (.*) \| 6 \| (yes|no) \|", page
    ).groups()
    # The table's seconds are rounded.
    assert float(ratio) == pytest.approx(seconds["Keras loop"] / seconds["decaf"], rel=0.01)
    assert reached == ("yes" if float(ratio) >= 6 else "no")
    together = 3 / (seconds["decoding alone"] + seconds["forward pass alone"])
    (allowed, ours, share) = re.search(
        r"\| ([\d.]+) \| ([\d.]+) \| (\d+)% \| 90% \|", page
    ).groups()
    assert float(allowed) == pytest.approx(together, rel=0.02)
    assert float(ours) == pytest.approx(3 / seconds["decaf"], rel=0.02)
    assert int(share) == pytest.approx(300 / seconds["decaf"] / together, abs=1.5)
    (cosine,) = re.findall(r"\| Keras loop \| ([01]\.\d{4})", page)
    assert float(cosine) >= 0.999  # decaf computes in bfloat16 where the hardware does
    assert "load at the start" in page


def test_each_backbone_and_size_has_results_of_its_own(samples, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("experiments.frame.RESULTS", tmp_path)
    taken = tmp_path / "bench-extraction" / "vgg16-448" / "README.md"
    taken.parent.mkdir(parents=True)
    taken.touch()
    command = ["--data", str(samples), "--backbone", "vgg16", "--size", "448"]
    assert main(["bench-extraction", *command]) == 2
    assert f"{taken.parent}: holds results already" in capsys.readouterr().err


def test_the_best_run_counts_and_the_slowest_is_told():
    runs = [
        {"contender": "decaf", "run": 1, "seconds": 2.0},
        {"contender": "Keras loop", "run": 1, "seconds": 16.0},
        {"contender": "decaf", "run": 2, "seconds": 4.0},
    ]
    assert summarize(runs, 8) == {
        "decaf": {"speed": 4.0, "slowest": 2.0},
        "Keras loop": {"speed": 0.5, "slowest": 0.5},
    }


def test_of_the_pytorch_loops_the_faster_one_counts():
    speeds = {"PyTorch loop float32": {"speed": 3.0}, "PyTorch loop bfloat16": {"speed": 2.0}}
    at_448 = {"decaf as before": 3.5, "Keras loop": 6.0, "PyTorch loop float32": 4.0}
    assert targets("efficientnet-lite0", "448", speeds) == at_448
    assert targets("efficientnet-lite0", "224+448", {}) == {"Keras loop": 6.0}
    assert targets("vgg16", "224", speeds) == {}


def test_shared_cores_add_their_times_and_a_gpu_does_not():
    assert bound(30.0, 60.0, "cpu") == pytest.approx(20.0)
    assert bound(30.0, 60.0, "gpu") == 30.0
