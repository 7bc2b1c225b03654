from tiny_model import save_tiny_model

from features.samples import make_samples
from tests.robustness.full_disks import FOLDERS, WORKS, fill, places_of


def test_a_command_whose_disk_fills_up_says_so_loses_nothing_and_ends_once_there_is_room(tmp_path):
    make_samples(tmp_path / "album", 8)
    save_tiny_model(tmp_path / "made" / "model")
    for folder in FOLDERS:
        (tmp_path / folder).mkdir(exist_ok=True)
    work = next(work for work in WORKS if work.name == "rank-photos")
    row = fill(tmp_path, work, places_of(work, tmp_path)[0], n_sizes=2)
    assert row["refused"] == row["tried"] == 2, row
