"""A real scheduler with two workers, all processes of this machine."""

import os
import socket
import subprocess
import sys
import time

import h5py
import joblib
import numpy as np
import pandas
import pytest

from decaf import extraction
from decaf.commands import extract_features, fit_classifier
from features.errors import InputError
from features.store import FeatureStore, StoreWriter

pytest.importorskip("distributed")

from decaf.cluster import map_on_cluster, on_cluster

ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(sys.path),
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
}


@pytest.fixture
def cluster(tmp_path_factory):
    """The scheduler's address, and the processes of its two workers."""
    folder = tmp_path_factory.mktemp("cluster")
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
            cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", str(port))
    while not answers(port):
        time.sleep(0.1)
    options = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
    workers = [start("worker", address, *options) for _ in range(2)]
    yield address, workers
    for process in [*workers, scheduler]:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def datasets(path):
    with FeatureStore(path) as store, h5py.File(path) as file:
        return {name: file[name][:] for name in file if name != "shards"} | {
            "features": store.features[:]
        }


def test_a_cluster_that_loses_a_worker_writes_what_one_process_writes(
    cluster, samples, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(extraction, "CLUSTER_SHARD_ROWS", 4)
    address, workers = cluster
    argv = [str(samples), "--backbone", "alexnet-owt", "--blocks", "2", "--precision", "float32"]
    argv += ["--ratings", str(samples / "ratings.csv"), "--cache", str(tmp_path / "cache")]
    assert extract_features.main([*argv, "-o", str(tmp_path / "one.h5")]) == 0
    lost = []

    class Bar(extraction.tqdm):
        def update(self, n=1):
            # The worker that has just finished a shard is working on its next one.
            super().update(n)
            if n and not lost and self.n >= 12:
                lost.append(workers.pop())
                lost[0].kill()

    monkeypatch.setattr(extraction, "tqdm", Bar)
    output = tmp_path / "many.h5"
    assert extract_features.main([*argv, "--scheduler", address, "-o", str(output)]) == 0
    assert lost
    assert "an index of the shards in many.h5.parts" in capsys.readouterr().out
    one, many = datasets(tmp_path / "one.h5"), datasets(output)
    assert one.keys() == many.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], many[name])
    with FeatureStore(output) as store:
        assert len(store.shards) == 15


def test_classifiers_are_judged_on_the_workers_as_in_one_process(cluster, tmp_path):
    address, workers = cluster
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "f.h5", 3) as writer:
        names = [f"{number}.jpg" for number in range(40)]
        digests = [f"{number:032x}" for number in range(40)]
        writer.append(rng.random((40, 3)), names, digests, label=np.arange(40) % 2)
    argv = [str(tmp_path / "f.h5"), "--classifier", "naive-bayes", "--folds", "2"]
    for name, options in {"one": [], "many": ["--scheduler", address]}.items():
        assert fit_classifier.main([*argv, *options, "-o", str(tmp_path / name)]) == 0
    one, many = (
        pandas.read_csv(tmp_path / name / "results.csv").drop(columns="fit_seconds")
        for name in ("one", "many")
    )
    pandas.testing.assert_frame_equal(one, many)
    with on_cluster(address):
        processes = joblib.Parallel(4)(joblib.delayed(os.getpid)() for _ in range(4))
    assert set(processes) <= {worker.pid for worker in workers}


def test_a_call_that_kills_every_worker_ends_with_one_line(cluster):
    address, _ = cluster
    with pytest.raises(InputError, match="killed its workers again and again"):
        list(map_on_cluster(address, os._exit, [(1,)]))


def test_without_a_scheduler_there_is_one_line():
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=rf"^{address}: no Dask scheduler answers there"):
        list(map_on_cluster(address, abs, [(1,)]))
    with pytest.raises(InputError, match="no Dask scheduler answers there"), on_cluster("nonsense"):
        pass


def test_a_scheduler_is_asked_before_a_network_is_loaded(tmp_path):
    def load():
        raise AssertionError

    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        extraction.extract_features(["a"], ["a"], tmp_path / "f.h5", load, scheduler=address)
    assert os.listdir(tmp_path) == []


def test_without_an_address_nothing_changes():
    with on_cluster(None):
        pass
