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

from decaf.commands import extract_features, fit_classifier
from decaf.extraction import feature_file as extraction
from decaf.extraction.cluster import map_on_cluster, on_cluster
from features.errors import InputError
from features.store import FeatureStore, StoreWriter

distributed = pytest.importorskip("distributed")

ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(sys.path),
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
}


@pytest.fixture
def cluster(tmp_path_factory):
    """The scheduler's address, and the processes of its two workers; and its own."""
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
    # joblib keeps the work in this process while there is but one thread on the cluster.
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    yield address, workers, scheduler
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
    files = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    shards = [h5py.File(file) for file in files]
    return {
        name: np.concatenate([shard[name][:] for shard in shards])
        for name in shards[0]
        if name != "provenance"
    }


def test_a_cluster_that_loses_a_worker_writes_what_one_process_writes(
    cluster, samples, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(extraction, "CLUSTER_SHARD_ROWS", 4)
    address, workers, _ = cluster
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
    assert "many.h5: 60 photos × 192 features, in a folder of 15 shards" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == ["many.h5", "one.h5"]
    assert sorted(os.listdir(output)) == [*(f"{n:06}.h5" for n in range(15)), "shards.json"]
    one, many = datasets(tmp_path / "one.h5"), datasets(output)
    assert one.keys() == many.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], many[name])
    with FeatureStore(tmp_path / "one.h5") as one, FeatureStore(output) as many:
        np.testing.assert_array_equal(many.features[:], one.features[:])
        assert many.attributes == one.attributes
        assert many.failed == one.failed


def test_classifiers_are_judged_on_the_workers_as_in_one_process(cluster, tmp_path):
    address, workers, _ = cluster
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
    address, *_ = cluster
    with pytest.raises(InputError, match="killed its workers again and again"):
        list(map_on_cluster(address, os._exit, [(1,)]))


def test_an_error_of_a_workers_system_is_not_taken_for_a_lost_scheduler(cluster, tmp_path):
    address, *_ = cluster
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(map_on_cluster(address, os.rmdir, [(str(tmp_path / "nowhere"),)]))


def test_a_scheduler_that_is_lost_in_the_middle_ends_the_work_with_one_line(cluster):
    address, _, scheduler = cluster
    told = f"^{address}: the scheduler, or all its workers, are lost .*start them and the work"
    with pytest.raises(InputError, match=told), on_cluster(address):
        joblib.Parallel()(joblib.delayed(abs)(number) for number in range(4))
        scheduler.kill()
        joblib.Parallel()(joblib.delayed(time.sleep)(1) for _ in range(4))


def test_a_scheduler_that_is_lost_while_shards_are_made_ends_them_with_one_line(cluster):
    address, _, scheduler = cluster
    results = map_on_cluster(address, time.sleep, [(0.1,), *[(5,)] * 8])
    next(results)
    scheduler.kill()
    with pytest.raises(InputError, match="the scheduler, or all its workers, are lost"):
        list(results)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (lambda: distributed.KilledWorker("task", None, 3), "killed its workers again and again"),
        (lambda: distributed.CancelledError("lost"), r"are lost \(lost\)"),
        (
            lambda: TimeoutError("no worker after 10 s\n\nSet x"),
            r"are lost \(no worker after 10 s\)",
        ),
        (lambda: ConnectionResetError(), r"are lost \(ConnectionResetError\)"),
        (lambda: ModuleNotFoundError(name="numpy"), "a worker has no numpy; install the same"),
    ],
)
def test_what_befalls_the_cluster_during_the_work_is_one_line(cluster, error, told):
    address, *_ = cluster
    with pytest.raises(InputError, match=f"^{address}: .*{told}"), on_cluster(address):
        raise error()


def test_a_package_that_is_missing_here_is_not_taken_for_one_of_the_workers(cluster):
    address, *_ = cluster
    with pytest.raises(ModuleNotFoundError), on_cluster(address):
        import nosuchpackage  # noqa: F401


def test_without_a_scheduler_there_is_one_line():
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match=rf"^{address}: no Dask scheduler answers there"):
        list(map_on_cluster(address, abs, [(1,)]))
    with pytest.raises(InputError, match="no Dask scheduler answers there"), on_cluster("nonsense"):
        pass


def test_a_scheduler_is_asked_before_a_network_is_loaded(samples, tmp_path):
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        extraction.extract_features(samples, "gone.keras", tmp_path / "f.h5", scheduler=address)
    assert os.listdir(tmp_path) == []


def test_without_an_address_nothing_changes():
    with on_cluster(None):
        pass
