import random

from features.samples import make_samples
from tests.robustness.signals import shoot


# How soon is measured by `make robustness`, where no other tests run beside.
def test_a_command_that_gets_a_signal_ends_as_promised_and_leaves_nothing(tmp_path):
    make_samples(tmp_path / "album", 20)
    argv = ["extract-features", "album", "--backbone", "alexnet-owt", "-o", "features.h5"]
    shots = shoot(tmp_path, argv, n_signals=2, moments=random.Random(0))
    assert [shot.signal for shot in shots] == ["SIGINT", "SIGTERM"]
    for shot in shots:
        assert shot.as_promised or shot.ended_before, shot
        assert not shot.n_left
