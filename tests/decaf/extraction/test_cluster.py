"""A real scheduler with two workers, all processes of this machine."""

import contextlib
import os
import time

import h5py
import joblib
import numpy as np
import pandas
import pytest

from decaf.commands import extract_features, fit_classifier
from decaf.extraction import feature_file as extraction
from decaf.extraction.cluster import map_on_cluster, on_cluster
from decaf.extraction.run_folder import RunFolder
from features.errors import InputError
from features.store import FeatureStore, StoreWriter

distributed = pytest.importorskip("distributed")
from dask_cluster import DaskCluster, free_port  # noqa: E402


@pytest.fixture
def cluster(tmp_path_factory):
    """Two workers: joblib keeps the work in this process while there is but one thread."""
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"), 2)
    yield cluster
    cluster.close()


def datasets(path):
    files = sorted(path.glob("*.h5")) if path.is_dir() else [path]
    shards = [h5py.File(file) for file in files]
    return {
        name: np.concatenate([shard[name][:] for shard in shards])
        for name in shards[0]
        if name != "provenance"
    }


def assert_equal(one, many):
    assert datasets(one).keys() == datasets(many).keys()
    for name, values in datasets(one).items():
        np.testing.assert_array_equal(datasets(many)[name], values)
    with FeatureStore(one) as one, FeatureStore(many) as many:
        np.testing.assert_array_equal(many.features[:], one.features[:])
        assert many.attributes == one.attributes
        assert many.failed == one.failed


@pytest.fixture
def losing(monkeypatch):
    """Kill a process as soon as a shard is finished, and so many photos are."""

    def lose(process, n_photos):
        class Bar(extraction.tqdm):
            def update(self, n=1):
                # A worker that has just finished a shard is working on its next one.
                super().update(n)
                if n and self.n >= n_photos:
                    process.kill()

        monkeypatch.setattr(extraction, "tqdm", Bar)

    return lose


def test_a_cluster_that_loses_scheduler_and_worker_writes_what_one_process_writes(
    cluster, samples, tmp_path, losing, monkeypatch, capsys
):
    cluster.workers.pop().kill()
    argv = [str(samples), "--backbone", "alexnet-owt", "--blocks", "2", "--precision", "float32"]
    argv += ["--ratings", str(samples / "ratings.csv"), "--cache", str(tmp_path / "cache")]
    assert extract_features.main([*argv, "-o", str(tmp_path / "one.h5")]) == 0
    output = tmp_path / "many.h5"
    argv += ["--scheduler", cluster.address, "--shard-rows", "4", "-o", str(output)]
    losing(cluster.scheduler, 12)
    assert extract_features.main(argv) == 2
    assert "start them and the work again" in capsys.readouterr().err
    cluster.close()
    cluster.start(2)
    finished = {path: path.read_bytes() for path in tmp_path.glob("many.h5.parts/0*.json")}
    assert len(finished) >= 3
    losing(cluster.workers[0], 32)
    monkeypatch.setattr(RunFolder, "clean", lambda run: None)  # it would remove the statuses
    assert extract_features.main(argv) == 0
    assert cluster.workers[0].poll() is not None
    assert all((output / path.name).read_bytes() == status for path, status in finished.items())
    assert "many.h5: 60 photos × 192 features, in a folder of 15 shards" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == ["many.h5", "one.h5"]
    assert len(list(output.glob("*.h5"))) == 15
    assert_equal(tmp_path / "one.h5", output)


def test_classifiers_are_judged_on_the_workers_as_in_one_process(cluster, tmp_path):
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "f.h5", 3) as writer:
        names = [f"{number}.jpg" for number in range(40)]
        digests = [f"{number:032x}" for number in range(40)]
        writer.append(rng.random((40, 3)), names, digests, label=np.arange(40) % 2)
    argv = [str(tmp_path / "f.h5"), "--classifier", "naive-bayes", "--folds", "2"]
    for name, options in {"one": [], "many": ["--scheduler", cluster.address]}.items():
        assert fit_classifier.main([*argv, *options, "-o", str(tmp_path / name)]) == 0
    one, many = (
        pandas.read_csv(tmp_path / name / "results.csv").drop(columns="fit_seconds")
        for name in ("one", "many")
    )
    pandas.testing.assert_frame_equal(one, many)
    with on_cluster(cluster.address):
        processes = joblib.Parallel(4)(joblib.delayed(os.getpid)() for _ in range(4))
    assert set(processes) <= {worker.pid for worker in cluster.workers}


def test_a_call_that_kills_every_worker_ends_with_one_line_that_names_it(cluster):
    told = "the work on 1 has killed its workers again and again; their logs say why"
    with pytest.raises(InputError, match=told):
        list(map_on_cluster(cluster.address, os._exit, [(1,)]))


def test_a_call_of_joblibs_that_kills_every_worker_ends_with_one_line_that_names_it(cluster):
    told = "the work on 1 has killed its workers again and again"
    with pytest.raises(InputError, match=told), on_cluster(cluster.address):
        joblib.Parallel()([joblib.delayed(os._exit)(1)])


def test_work_that_has_no_workers_any_more_ends_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("decaf.extraction.cluster.WORKER_SECONDS", 1)
    told = "all its workers are lost, the last ones at work on 1; their logs say why"
    with contextlib.closing(DaskCluster(tmp_path, 2, allowed_failures=3)) as cluster:
        with pytest.raises(InputError, match=told):
            list(map_on_cluster(cluster.address, os._exit, [(1,)]))
        cluster.add_workers(2)
        with pytest.raises(InputError, match=told), on_cluster(cluster.address):
            joblib.Parallel()([joblib.delayed(os._exit)(1)])


def test_an_error_of_a_workers_system_is_not_taken_for_a_lost_scheduler(cluster, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(map_on_cluster(cluster.address, os.rmdir, [(str(tmp_path / "nowhere"),)]))


def test_a_scheduler_that_is_lost_in_the_middle_ends_the_work_with_one_line(cluster):
    told = (
        f"^{cluster.address}: the scheduler, or all its workers, are lost .*start them and the work"
    )
    with pytest.raises(InputError, match=told), on_cluster(cluster.address):
        joblib.Parallel()(joblib.delayed(abs)(number) for number in range(4))
        cluster.scheduler.kill()
        joblib.Parallel()(joblib.delayed(time.sleep)(1) for _ in range(4))


def test_a_scheduler_that_is_lost_while_shards_are_made_ends_them_with_one_line(cluster):
    results = map_on_cluster(cluster.address, time.sleep, [(0.1,), *[(5,)] * 8])
    next(results)
    cluster.scheduler.kill()
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
    with (
        pytest.raises(InputError, match=f"^{cluster.address}: .*{told}"),
        on_cluster(cluster.address),
    ):
        raise error()


def test_a_package_that_is_missing_here_is_not_taken_for_one_of_the_workers(cluster):
    with pytest.raises(ModuleNotFoundError), on_cluster(cluster.address):
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
