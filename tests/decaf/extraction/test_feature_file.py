import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from filelock import FileLock

from decaf.extraction import feature_file as extraction
from decaf.extraction import run_folder, shards
from decaf.extraction.activations import cached_activations
from decaf.extraction.feature_file import NamedPhotos, extract_features
from decaf.extraction.feature_network import FeatureNetwork
from decaf.extraction.forward_pass import run_network
from decaf.networks.convolutions import build_activations
from features.errors import AlreadyThere, InputError
from features.photo_set import PhotoSet
from features.photos import file_digest
from features.store import FeatureStore

SETTINGS = {"backbone": "alexnet-owt", "width": 192, "resize": "squash"}
RATINGS = {"score": np.linspace(1, 9, 12), "group": np.array(["a", "b"] * 6, object)}


@pytest.fixture(scope="module")
def model():
    return build_activations("alexnet-owt", ("average",), blocks=2)


@pytest.fixture
def photos(samples):
    return sorted(samples.glob("*.jpg"))[:12]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(extraction, "SHARD_ROWS", 5)


def extract(
    photos,
    output,
    model,
    settings=SETTINGS,
    finetuned_on=(),
    columns=None,
    attributes=None,
    **options,
):
    network = FeatureNetwork(
        model, as_they_are, 192, settings, finetuned_on=PhotoSet.of(finetuned_on)
    )
    named = NamedPhotos(
        [str(getattr(photo, "name", photo)) for photo in photos],
        [str(photo) for photo in photos],
        columns or {},
        attributes or {},
    )
    return extract_features(
        named, network, output, **{"progress": False, "cache": output.parent} | options
    )


def as_they_are(activations):
    return np.float32(activations), {"predicted_mean": activations[:, 0] + 1.0}


def datasets(path):
    with h5py.File(path) as store:
        return {name: store[name][()] for name in store}


def test_as_many_batches_make_a_shard_where_they_are_larger(model, photos, tmp_path, monkeypatch):
    begin, asked = run_folder.RunFolder.begin, []
    monkeypatch.setattr(
        run_folder.RunFolder,
        "begin",
        lambda run, settings, rows: asked.append(rows) or begin(run, settings, rows),
    )
    for batch_size in (2, 32, 64):
        network = FeatureNetwork(model, as_they_are, 192, SETTINGS, batch_size=batch_size)
        named = NamedPhotos(*[[str(photos[0])]] * 2)
        extract_features(named, network, tmp_path / f"{batch_size}.h5", progress=False)
    assert asked == [5, 5, 10]


def test_rows_are_the_photos_in_their_order_with_their_ratings(model, photos, tmp_path):
    score, label = np.linspace(1, 9, 12), np.arange(12) % 2
    output = tmp_path / "features.h5"
    seen, columns = [file_digest(photos[3])], {"score": score, "label": label}
    extract(photos, output, model, columns=columns, finetuned_on=seen)
    (direct,) = run_network([[str(photo) for photo in photos]], model)
    with FeatureStore(output) as store:
        assert store.paths.tolist() == [photo.name for photo in photos]
        assert store.digests.tolist() == direct.digests
        np.testing.assert_array_equal(store.score, score)
        np.testing.assert_array_equal(store.label, label)
        np.testing.assert_array_equal(store.finetuned, np.arange(12) == 3)
        np.testing.assert_allclose(
            store.features[:], direct.activations["average"], rtol=2e-3, atol=2e-3
        )
        assert store.attributes["backbone"] == "alexnet-owt"
    assert not (tmp_path / "features.h5.parts").exists()


def test_photos_that_cannot_be_read_are_listed_and_their_ratings_left_out(model, photos, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    mixed = [photos[0], tmp_path / "broken.jpg", *photos[1:5]]
    done = extract(mixed, tmp_path / "f.h5", model, columns={"score": np.arange(6.0)})
    assert (done.n_rows, done.n_features) == (5, 192)
    assert [name for name, _ in done.failed] == ["broken.jpg"]
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.score.tolist() == [0, 2, 3, 4, 5]


def test_a_shard_without_a_readable_photo_does_not_end_the_run(model, photos, tmp_path):
    broken = []
    for number in range(5):
        broken.append(tmp_path / f"broken{number}.jpg")
        broken[-1].write_bytes(b"no photo")
    done = extract([*broken, *photos[:3]], tmp_path / "f.h5", model)
    assert (done.n_rows, len(done.failed)) == (3, 5)
    with FeatureStore(tmp_path / "f.h5") as store:
        np.testing.assert_allclose(store.predicted_mean, store.features[:, 0] + 1, rtol=1e-3)


def same(path, other):
    """Whether two stores hold the same, dataset by dataset."""
    one, two = datasets(path), datasets(other)
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    return True


class Interrupted:
    """Interrupts extraction after some shards, and notes which photos it extracts."""

    def __init__(self, monkeypatch):
        self._monkeypatch, self._run, self.ran = monkeypatch, shards.read_or_run, []

    def __call__(self, photos, output, model, after=2, **options):
        def run(paths_of_shards, *args, **kwargs):
            for number, paths in enumerate(paths_of_shards):
                if number == after:
                    raise KeyboardInterrupt
                self.ran.extend(paths)
                yield from self._run([paths], *args, **kwargs)

        self.ran.clear()
        with self._monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(shards, "read_or_run", run)
            return extract(photos, output, model, **options)
        assert not output.exists()


@pytest.fixture
def interrupted(monkeypatch):
    return Interrupted(monkeypatch)


@pytest.fixture
def copies(photos, tmp_path):
    """Photos that a test may change."""
    (tmp_path / "photos").mkdir()
    return [shutil.copy(photo, tmp_path / "photos") for photo in photos]


def test_an_interrupted_run_goes_on_and_ends_as_an_uninterrupted_one(
    model, photos, tmp_path, interrupted
):
    extract(photos, tmp_path / "whole.h5", model)
    interrupted(photos, tmp_path / "f.h5", model)
    done = interrupted(photos, tmp_path / "f.h5", model)
    assert interrupted.ran == [str(photo) for photo in photos[10:]]
    assert done.changed == []
    assert same(tmp_path / "whole.h5", tmp_path / "f.h5")


def test_a_finished_shard_has_a_status(model, copies, tmp_path, interrupted):
    with open(copies[1], "wb"):
        pass
    interrupted(copies, tmp_path / "f.h5", model, after=1)
    status = json.loads((tmp_path / "f.h5.parts" / "000000.json").read_text())
    assert status["rows"] == 4
    assert status["failed"] == [[copies[1], "an empty file"]]
    assert [digest for _, _, digest in status["photos"]] == [
        None if photo == copies[1] else file_digest(photo) for photo in copies[:5]
    ]
    assert 0 < status["seconds"] < 100
    assert status["worker"].endswith(f":{os.getpid()}")


def test_a_photo_that_changed_meanwhile_is_extracted_again_and_reported(
    model, copies, photos, tmp_path, interrupted
):
    interrupted(copies, tmp_path / "f.h5", model)
    shutil.copyfile(photos[0], copies[7])
    done = interrupted(copies, tmp_path / "f.h5", model)
    assert done.changed == [copies[7]]
    assert interrupted.ran == copies[5:]
    extract(copies, tmp_path / "whole.h5", model)
    assert same(tmp_path / "whole.h5", tmp_path / "f.h5")


def test_a_photo_that_was_only_touched_is_not_extracted_again(model, copies, tmp_path, interrupted):
    interrupted(copies, tmp_path / "f.h5", model)
    os.utime(copies[7], (1, 1))
    assert interrupted(copies, tmp_path / "f.h5", model).changed == []
    assert interrupted.ran == copies[10:]


def test_photos_that_vanish_or_come_back_meanwhile_are_noticed(
    model, copies, tmp_path, interrupted
):
    os.rename(copies[0], copies[0] + "~")
    interrupted(copies, tmp_path / "f.h5", model)
    os.rename(copies[0] + "~", copies[0])
    os.remove(copies[6])
    done = extract(copies, tmp_path / "f.h5", model)
    assert done.changed == [copies[0], copies[6]]
    assert done.failed == [(copies[6], "No such file or directory")]
    assert done.n_rows == 11


def test_ratings_are_those_of_the_run_that_ends_it(model, photos, tmp_path, interrupted):
    interrupted(photos, tmp_path / "f.h5", model, columns={"score": np.zeros(12)})
    extract(photos, tmp_path / "f.h5", model, columns={"label": np.arange(12) % 2})
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.score is None
        assert store.label.tolist() == [0, 1] * 6


@pytest.mark.parametrize("content", ['{"photos": [', '{"of another version": 1}', "[]"])
def test_a_shard_that_is_not_whole_is_written_anew(model, photos, tmp_path, interrupted, content):
    extract(photos, tmp_path / "whole.h5", model)
    interrupted(photos, tmp_path / "f.h5", model)
    first, second = (tmp_path / "f.h5.parts" / f"00000{number}" for number in (0, 1))
    os.truncate(first.with_suffix(".h5"), 3000)
    second.with_suffix(".json").write_text(content)
    interrupted(photos, tmp_path / "f.h5", model, after=3)
    assert len(interrupted.ran) == 12
    assert same(tmp_path / "whole.h5", tmp_path / "f.h5")


@pytest.fixture
def killed_while_cleaning_up(model, photos, tmp_path, monkeypatch):
    """An output that is whole, beside what its run would have removed."""

    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_folder, "sync_folder", killed)
        extract(photos, tmp_path / "f.h5", model, columns=RATINGS)
    return tmp_path / "f.h5"


def test_every_status_has_its_shard_while_a_run_cleans_up(model, photos, tmp_path, monkeypatch):
    unlink, left = Path.unlink, []

    def watched(path, **options):
        unlink(path, **options)
        names = {other.name for other in path.parent.iterdir()}
        left.append({f"{name[:6]}.h5" for name in names if name[:6].isdigit()} - names)

    monkeypatch.setattr(Path, "unlink", watched)
    extract(photos, tmp_path / "f.h5", model)
    assert len(left) > 6 and not any(left)


@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_was_killed_while_it_cleaned_up_ends_well(
    killed_while_cleaning_up, model, photos, tmp_path, interrupted, force
):
    output = killed_while_cleaning_up
    done = interrupted(photos, output, model, after=0, columns=RATINGS, force=force)
    assert (done.n_rows, interrupted.ran) == (12, [])
    assert os.listdir(tmp_path) == ["f.h5"]


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": SETTINGS | {"network_digest": "ab"}},
        {"columns": RATINGS | {"score": np.ones(12)}},
        {"columns": RATINGS | {"group": np.array(["a", "c"] * 6, object)}},
        {"attributes": {"midpoint": 3}},
        {"photos": 11},
    ],
)
def test_another_run_does_not_take_over_what_was_killed_while_it_cleaned_up(
    killed_while_cleaning_up, model, photos, tmp_path, changed
):
    changed = {"columns": RATINGS} | changed
    photos = photos[: changed.pop("photos", 12)]
    changed["columns"] = {name: rows[: len(photos)] for name, rows in changed["columns"].items()}
    output = killed_while_cleaning_up
    before = output.read_bytes()
    for _ in range(2):
        with pytest.raises(AlreadyThere, match=r"f\.h5: is there already"):
            extract(photos, output, model, **changed)
        assert os.listdir(tmp_path) == ["f.h5"]
    assert output.read_bytes() == before
    assert extract(photos, output, model, force=True, **changed).n_rows == len(photos)
    extract(photos, tmp_path / "other.h5", model, **changed)
    assert same(output, tmp_path / "other.h5")
    with FeatureStore(output) as store, FeatureStore(tmp_path / "other.h5") as other:
        assert store.attributes == other.attributes


def test_what_a_killed_run_was_writing_is_removed(model, photos, tmp_path, interrupted):
    interrupted(photos, tmp_path / "f.h5", model)
    left = tmp_path / "f.h5.parts" / ".000002.12345678.part.h5"
    left.write_bytes(b"half")
    interrupted(photos, tmp_path / "f.h5", model, after=0)
    assert not left.exists()


def test_a_second_run_of_one_output_is_refused(model, photos, tmp_path, interrupted):
    interrupted(photos, tmp_path / "f.h5", model)
    before = sorted(os.listdir(tmp_path / "f.h5.parts"))
    refused = pytest.raises(InputError, match=r"f\.h5: another run is writing it")
    with FileLock(tmp_path / "f.h5.parts" / "lock"), refused:
        extract(photos, tmp_path / "f.h5", model)
    assert sorted(os.listdir(tmp_path / "f.h5.parts")) == before
    assert extract(photos, tmp_path / "f.h5", model).n_rows == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 500}, "width 192, not 500"),
        ({"network_digest": "ab"}, "network_digest None, not 'ab'"),
        ({"width": 500, "backbone": "vgg16"}, "backbone 'alexnet-owt', not 'vgg16' and width 192"),
    ],
)
def test_an_unfinished_run_with_other_settings_is_not_gone_on_with(
    model, photos, tmp_path, interrupted, change, message
):
    interrupted(photos, tmp_path / "f.h5", model)
    with pytest.raises(InputError, match=rf"f\.h5\.parts: holds an unfinished run with {message}"):
        extract(photos, tmp_path / "f.h5", model, settings=SETTINGS | change)
    assert interrupted(photos, tmp_path / "f.h5", model).n_rows == 12
    assert len(interrupted.ran) == 2


def test_other_weights_under_the_same_name_are_not_gone_on_with(
    model, photos, tmp_path, interrupted
):
    interrupted(photos, tmp_path / "f.h5", model)
    other = build_activations("alexnet-owt", ("average",), blocks=2, weights=None)
    with pytest.raises(InputError, match="unfinished run with convolutions"):
        extract(photos, tmp_path / "f.h5", other)


def test_other_versions_alone_do_not_keep_a_run_from_going_on(model, photos, tmp_path, interrupted):
    interrupted(photos, tmp_path / "f.h5", model, attributes={"versions": {"keras": "3.14"}})
    extract(photos, tmp_path / "f.h5", model, attributes={"versions": {"keras": "3.15"}})
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.attributes["versions"] == {"keras": "3.15"}


def test_other_photos_than_those_of_the_unfinished_run_are_extracted_anew(
    model, photos, tmp_path, interrupted
):
    interrupted(photos[:10], tmp_path / "f.h5", model, after=1)
    extract(photos[5:10], tmp_path / "f.h5", model)
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.paths.tolist() == [photo.name for photo in photos[5:10]]


def test_a_run_that_cannot_begin_leaves_nothing(samples, tmp_path):
    with pytest.raises(InputError, match="no such network"):
        extract_features(samples, "no.keras", tmp_path / "f.h5")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("n_finished_here", [0, 1])
def test_a_shard_that_a_worker_writes_where_it_is_not_seen_ends_the_run_at_once(
    model, copies, photos, tmp_path, monkeypatch, interrupted, n_finished_here
):
    """As where every machine has a disk of its own under the output's name."""
    calls = []

    def map_elsewhere(scheduler, function, tasks, subject):
        for shard, *task in tasks:
            calls.append(shard)
            (tmp_path / "elsewhere").mkdir()
            _, began = function(tmp_path / "elsewhere" / shard.name, *task)
            yield shard, began

    monkeypatch.setattr(extraction, "VISIBLE_SECONDS", 0.3)
    monkeypatch.setattr(extraction, "on_cluster", contextlib.nullcontext)
    monkeypatch.setattr(extraction, "map_on_cluster", map_elsewhere)
    network = FeatureNetwork(model, as_they_are, 192, SETTINGS)
    monkeypatch.setattr(extraction, "load_feature_network", lambda name, **asked: network)
    interrupted(copies, tmp_path / "f.h5", model, after=n_finished_here)
    shutil.copyfile(photos[0], copies[4])
    with pytest.raises(InputError, match=r"f\.h5\.parts: a worker wrote its shard elsewhere; the"):
        extract_features(
            NamedPhotos(copies, copies), "f.keras", tmp_path / "f.h5", scheduler="tcp://host:8786"
        )
    assert [shard.name for shard in calls] == ["000000.h5"]


def test_a_network_in_memory_is_not_for_a_cluster(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, "on_cluster", contextlib.nullcontext)
    with pytest.raises(InputError, match="its workers load networks from files; give the file"):
        extract(photos, tmp_path / "f.h5", model, scheduler="tcp://host:8786")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(model, photos):
    with pytest.raises(InputError, match=r"/proc/f\.h5: cannot be written: "):
        extract(photos, Path("/proc/f.h5"), model)


def test_a_full_disk_gives_one_line_and_the_run_goes_on_when_there_is_space(
    model, photos, tmp_path
):
    script = f"""
        import resource, sys
        from decaf.extraction import feature_file as extraction
        from decaf.networks.convolutions import build_activations
        from features.errors import InputError
        from pathlib import Path
        from tests.decaf.extraction.test_feature_file import extract
        extraction.SHARD_ROWS = 5
        model = build_activations("alexnet-owt", ("average",), blocks=2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        try:
            extract({[str(photo) for photo in photos]!r}, Path("f.h5"), model)
        except InputError as error:
            sys.exit(str(error))
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "f.h5.parts/" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].endswith(": cannot be written: File too large")
    assert not (tmp_path / "f.h5").exists()
    extract([str(photo) for photo in photos], tmp_path / "f.h5", model)
    with FeatureStore(tmp_path / "f.h5") as store:
        assert len(store) == 12
    assert os.listdir(tmp_path) == ["f.h5"]


def test_an_output_that_is_there_is_kept_unless_forced(model, photos, tmp_path):
    extract(photos[:2], tmp_path / "f.h5", model)
    with pytest.raises(AlreadyThere, match=r"f\.h5: is there already"):
        extract(photos[:3], tmp_path / "f.h5", model)
    extract(photos[:3], tmp_path / "f.h5", model, force=True)
    with FeatureStore(tmp_path / "f.h5") as store:
        assert len(store) == 3


def test_cached_activations_give_the_same_file_as_computed_ones(model, photos, tmp_path):
    extract(photos, tmp_path / "computed.h5", model, cache=tmp_path / "empty")
    cached_activations(
        [str(photo) for photo in photos], model, cache=tmp_path / "full", progress=False
    )
    extract(photos, tmp_path / "cached.h5", model, cache=tmp_path / "full")
    computed, cached = datasets(tmp_path / "computed.h5"), datasets(tmp_path / "cached.h5")
    np.testing.assert_allclose(cached["features"], computed["features"], rtol=2e-3, atol=2e-3)
    np.testing.assert_array_equal(cached["path"], computed["path"])


@pytest.fixture
def one_worker(model, monkeypatch):
    """A cluster that is this process."""
    network = FeatureNetwork(model, as_they_are, 192, SETTINGS)
    monkeypatch.setattr(extraction, "CLUSTER_SHARD_ROWS", 5)
    monkeypatch.setattr(extraction, "load_feature_network", lambda name, **asked: network)
    monkeypatch.setattr(extraction, "on_cluster", contextlib.nullcontext)

    def map_here(scheduler, function, tasks, subject):
        for task in tasks:
            yield function(*task)

    monkeypatch.setattr(extraction, "map_on_cluster", map_here)


def extract_on_cluster(photos, output, **options):
    ratings = options.pop("columns", {})
    named = NamedPhotos([photo.name for photo in photos], [str(p) for p in photos], ratings)
    options = {"progress": False, "cache": output.parent, "scheduler": "tcp://host"} | options
    return extract_features(named, "f.keras", output, **options)


def test_a_cluster_makes_a_folder_that_reads_as_the_file_of_one_process(
    one_worker, model, photos, tmp_path
):
    extract(photos, tmp_path / "one.h5", model, columns=RATINGS)
    done = extract_on_cluster(photos, tmp_path / "many.h5", columns=RATINGS)
    assert (done.n_rows, done.n_features, done.n_shards) == (12, 192, 3)
    assert sorted(os.listdir(tmp_path)) == ["many.h5", "one.h5"]
    assert sorted(os.listdir(tmp_path / "many.h5")) == [
        *(f"00000{number}.h5" for number in range(3)),
        "shards.json",
    ]
    with FeatureStore(tmp_path / "one.h5") as one, FeatureStore(tmp_path / "many.h5") as many:
        np.testing.assert_array_equal(many.features[:], one.features[:])
        for name in ("paths", "digests", "score", "group", "predicted_mean"):
            np.testing.assert_array_equal(getattr(many, name), getattr(one, name))
        assert many.attributes == one.attributes


@pytest.mark.parametrize("other", ["bytes", "missing"])
def test_a_worker_that_has_another_photo_of_a_name_is_told_and_its_shard_not_taken(
    one_worker, photos, copies, tmp_path, monkeypatch, other
):
    """As where every machine has a disk of its own under the photos' name."""

    copies = [Path(copy) for copy in copies]

    def map_where_a_photo_is_another(scheduler, function, tasks, subject):
        for task in tasks:
            copies[6].rename(tmp_path / "aside")
            if other == "bytes":
                shutil.copyfile(photos[0], copies[6])
            done = function(*task)
            os.replace(tmp_path / "aside", copies[6])
            yield done

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "map_on_cluster", map_where_a_photo_is_another)
        told = rf"^{socket.gethostname()}:\d+: its '{copies[6].name}' is not the one of this"
        with pytest.raises(InputError, match=told):
            extract_on_cluster(copies, tmp_path / "f.h5")
    done = extract_on_cluster(copies, tmp_path / "f.h5")
    assert done.changed == [copies[6].name]
    extract_on_cluster(copies, tmp_path / "again.h5")
    with FeatureStore(tmp_path / "f.h5") as one, FeatureStore(tmp_path / "again.h5") as other:
        np.testing.assert_array_equal(one.features[:], other.features[:])


def test_a_worker_that_has_the_same_photos_with_other_times_makes_the_same(
    one_worker, copies, tmp_path, monkeypatch
):
    copies = [Path(copy) for copy in copies]
    map_here = extraction.map_on_cluster

    def map_and_touch(*arguments):
        for done in map_here(*arguments):
            for photo in copies:
                os.utime(photo)
            yield done

    monkeypatch.setattr(extraction, "map_on_cluster", map_and_touch)
    assert extract_on_cluster(copies, tmp_path / "f.h5", shard_rows=7).n_shards == 2


def test_a_folder_is_replaced_only_when_forced_and_only_by_all_of_its_shards(
    one_worker, model, photos, tmp_path
):
    output = tmp_path / "f.h5"
    extract_on_cluster(photos, output)
    with pytest.raises(AlreadyThere, match=r"f\.h5: is there already"):
        extract_on_cluster(photos[:7], output)
    assert extract_on_cluster(photos[:7], output, force=True).n_rows == 7
    assert sorted(os.listdir(output)) == ["000000.h5", "000001.h5", "shards.json"]
    assert extract(photos[:3], output, model, force=True).n_shards is None
    assert output.is_file()
    assert extract_on_cluster(photos[:6], output, force=True).n_shards == 2
    assert os.listdir(tmp_path) == ["f.h5"]


@pytest.mark.parametrize("force", [False, True])
def test_a_run_on_a_cluster_that_was_killed_while_it_cleaned_up_ends_well(
    one_worker, photos, tmp_path, monkeypatch, force
):
    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_folder, "sync_folder", killed)
        extract_on_cluster(photos, tmp_path / "f.h5", columns=RATINGS)
    assert "run.json" in os.listdir(tmp_path / "f.h5")
    with monkeypatch.context() as patch:
        patch.setattr(shards, "read_or_run", None)
        done = extract_on_cluster(photos, tmp_path / "f.h5", columns=RATINGS, force=force)
    assert (done.n_rows, done.n_shards) == (12, 3)
    whole = [*(f"00000{number}.h5" for number in range(3)), "shards.json"]
    assert sorted(os.listdir(tmp_path / "f.h5")) == whole
    assert os.listdir(tmp_path) == ["f.h5"]


def test_another_run_on_a_cluster_does_not_take_over_what_was_killed_while_it_cleaned_up(
    one_worker, photos, tmp_path, monkeypatch
):
    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run_folder, "sync_folder", killed)
        extract_on_cluster(photos, tmp_path / "f.h5", columns=RATINGS)
    for _ in range(2):
        with pytest.raises(AlreadyThere, match=r"f\.h5: is there already"):
            extract_on_cluster(photos[:7], tmp_path / "f.h5")
        assert "run.json" not in os.listdir(tmp_path / "f.h5")
        assert os.listdir(tmp_path) == ["f.h5"]
    assert extract_on_cluster(photos[:7], tmp_path / "f.h5", force=True).n_rows == 7


def test_a_folder_of_other_files_is_never_replaced(one_worker, model, photos, tmp_path):
    output = tmp_path / "f.h5"
    extract_on_cluster(photos[:7], output)
    (output / "notes.txt").touch()
    for again in (extract_on_cluster, lambda *given, **o: extract(*given, model, **o)):
        with pytest.raises(InputError, match=r"is a folder that holds 'notes\.txt', which is no"):
            again(photos, output, force=True)
    assert len(os.listdir(output)) == 4
    (output / "run.json").write_text('{"distance": "10 km"}')
    with pytest.raises(AlreadyThere):
        extract_on_cluster(photos, output)
    assert len(os.listdir(output)) == 5
    for name in ("notes.txt", "run.json", "shards.json"):
        (output / name).unlink()
    with pytest.raises(InputError, match=r"is a folder that holds '000000\.h5', which is no shard"):
        extract_on_cluster(photos, output, force=True)
    assert os.listdir(tmp_path) == ["f.h5"]


def test_a_finished_shard_that_is_gone_on_with_gets_the_ratings_of_the_run_that_ends_it(
    one_worker, model, photos, tmp_path, interrupted, monkeypatch
):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    photos = [photos[0], tmp_path / "broken.jpg", *photos[2:]]
    before = {"score": np.arange(12.0), "group": np.array(list("abcdefghijkl"), object)}
    monkeypatch.setattr(extraction, "SHARD_ROWS", 6)
    interrupted(photos, tmp_path / "f.h5", model, after=1, columns=before)
    run = shards.read_or_run
    ran = []
    monkeypatch.setattr(
        shards, "read_or_run", lambda paths, *given, **o: run(map(spy(ran), paths), *given, **o)
    )
    extract_on_cluster(photos, tmp_path / "f.h5", columns={"label": np.arange(12) % 2})
    assert ran == [str(photo) for photo in photos[6:]]
    with FeatureStore(tmp_path / "f.h5") as store:
        assert store.label.tolist() == [0, *([0, 1] * 5)]
        assert store.score is store.group is None
    with h5py.File(tmp_path / "f.h5" / "000000.h5") as shard:
        assert sorted(shard) == [
            "digest", "failed", "features", "finetuned", "label", "path", "predicted_mean",
            "provenance",
        ]  # fmt: skip


def spy(seen):
    def see(paths):
        seen.extend(paths)
        return paths

    return see


def test_shards_of_an_unfinished_run_with_more_photos_are_left_out(
    one_worker, photos, tmp_path, interrupted, model
):
    interrupted(photos, tmp_path / "f.h5", model, after=2)
    extract_on_cluster(photos[:5], tmp_path / "f.h5")
    assert sorted(os.listdir(tmp_path / "f.h5")) == ["000000.h5", "shards.json"]
