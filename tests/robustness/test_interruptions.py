from tests.robustness.interruptions import kill_at_random_moments


def test_an_extraction_that_is_killed_at_random_moments_ends_as_an_uninterrupted_one(tmp_path):
    kills, n_compared = kill_at_random_moments(tmp_path, n_kills=5, n_photos=1_200)
    assert [kill["signal"] for kill in kills] == (["SIGINT", "SIGTERM", "SIGKILL"] * 2)[:5]
    assert n_compared >= 1
