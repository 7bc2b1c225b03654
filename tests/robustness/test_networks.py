import pytest
from tiny_model import save_tiny_model

from tests.robustness.networks import (
    ATTACKS,
    TRAINED_ON,
    hostile_models,
    make_photos,
    rank_by,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    make_photos(folder / "photos")
    save_tiny_model(folder / "whole", **TRAINED_ON)
    return folder, {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}


def test_a_whole_model_ranks_the_photos(whole):
    folder, files = whole
    assert rank_by(files, folder) == ("survived", "")


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_model_is_refused_with_one_line_or_ranks_by_finite_scores(whole, attack):
    folder, files = whole
    for hostile in hostile_models(files, attack, 4, seed=1):
        outcome, said = rank_by(hostile, folder)
        assert outcome in ("refused", "survived"), said
