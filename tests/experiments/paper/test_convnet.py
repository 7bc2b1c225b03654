import pytest


def test_convnet_compares_fc7_with_the_averages_of_the_same_backbone(run, ava, quick, tmp_path):
    options = ["--backbone", "alexnet-owt", "--width", "4", "--multilevel", "--jobs", "1", *quick]
    classifiers = ["--classifier", "gaussian-naive-bayes", "--classifier", "tan"]
    table, page = run("convnet", ava, tmp_path, *options, *classifiers)
    names = ["alexnet-owt average", "alexnet-owt multilevel", "alexnet-owt fc7"]
    assert list(table["features"]) == [name for name in names for _ in range(2)]
    assert list(table["n_features"]) == [192, 192, 256, 256, 4, 4]
    auc = table.set_index(["features", "classifier"])["auc"]
    gain = table.set_index(["features", "classifier"])["auc_minus_average"].dropna()
    assert list(gain.index) == [
        ("alexnet-owt fc7", "gaussian-naive-bayes"),
        ("alexnet-owt fc7", "tan"),
    ]
    for features, classifier in gain.index:
        difference = auc[features, classifier] - auc["alexnet-owt average", classifier]
        assert gain[features, classifier] == pytest.approx(difference, abs=1e-4)
    assert "AUC on fc7 less AUC on averages" in page
