import pandas
import pytest


@pytest.fixture(scope="module")
def results(run, ava, tmp_path_factory):
    sizes = ["--backbone", "alexnet-owt", "--size", "own", "--blocks", "2"]
    return run(
        "widths", ava, tmp_path_factory.mktemp("widths"), *sizes, "--width", "4", "--width", "3"
    )


def test_heads_of_both_kinds_are_compared_with_the_widest_and_with_labels(results):
    table, page = results
    rows = table.set_index(["learnt", "width"])
    assert list(rows.index) == [
        ("no head", "no head"),
        *((kind, width) for width in ("4", "3") for kind in ("label", "score")),
    ]
    cut, widest = rows.loc[("score", "3")], rows.loc[("score", "4")]
    assert cut["srcc_minus_4"] == pytest.approx(cut["srcc"] - widest["srcc"], abs=1e-4)
    assert widest["auc_minus_4"] == 0
    of_labels = rows.loc[("label", "3")]
    assert cut["auc_minus_label"] == pytest.approx(cut["auc"] - of_labels["auc"], abs=1e-4)
    assert pandas.isna(of_labels["auc_minus_label"])
    assert (table["srcc_low"] <= table["srcc_high"]).all()
    assert "less 4's" in page and "less labels'" in page
