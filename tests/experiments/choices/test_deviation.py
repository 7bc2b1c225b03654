"""What reduced decoding and bfloat16 change, on sample photos."""

import pandas
import pytest
from PIL import Image

from experiments.__main__ import main
from experiments.choices import deviation
from features.photos import find_photos, read_photo


@pytest.fixture(scope="module")
def results(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("deviation")
    options = ["--backbone", "alexnet-owt", "--blocks", "2", "--n-large", "2", "--folds", "3"]
    assert main(["deviation", "--data", str(samples), "--out", str(out), *options]) == 0
    return pandas.read_csv(out / "results.csv"), (out / "README.md").read_text(encoding="utf-8")


def test_both_changes_are_small_and_seen(results):
    table, _ = results
    for change, least in deviation.LEAST_COSINE.items():
        changed = table.loc[table["change"] == change, "deviation"]
        assert len(changed)
        assert changed.between(1e-9, 1 - least).all()
    assert (table["deviation_95"] >= table["deviation"]).all()


def test_the_auc_is_compared_on_pooled_activations(results):
    table, page = results
    judged = table.dropna(subset="auc")
    assert list(judged["pooling"]) == ["average", "multilevel"]
    assert judged["auc"].between(0.5, 1).all()
    assert judged["auc_change"].abs().max() < 0.05
    assert "60 of photos" in page


def test_large_photos_are_decoded_at_a_quarter_of_their_scale(samples, tmp_path):
    names = [str(samples / name) for name in find_photos(samples)[:4]]
    large = deviation.make_large_photos(names, 1, 0, tmp_path)
    assert {kind: len(paths) for kind, paths in large.items()} == {"enlarged": 1, "mosaics": 1}
    for path in [path for paths in large.values() for path in paths]:
        with Image.open(path) as image:
            height, width = image.height, image.width
        assert read_photo(path, min_side=224)[0].shape == (-(-height // 4), -(-width // 4), 3)
