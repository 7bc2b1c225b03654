import pytest

from tests.robustness.sidecars import WAYS, edit_meanwhile


@pytest.mark.parametrize("way", WAYS)
def test_no_edit_of_another_program_is_lost_while_stars_are_written(way, tmp_path):
    row = edit_meanwhile(tmp_path, way, n_edits=150)
    assert row["survived"] == row["tried"] == 150
    assert row["lost"] == row["crashed"] == 0
    assert row["written"]
