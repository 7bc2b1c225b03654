from tests.robustness.huge_photos import decode_all, make_huge_photos


def test_photos_that_take_much_memory_each_do_not_take_it_all_at_once(tmp_path):
    # 54 MB each, on sixteen threads.
    paths = make_huge_photos(tmp_path, 16, 3_000)
    outcomes, peak = decode_all(paths, n_bytes=120_000_000)
    assert outcomes == {"decoded": 16}
    assert peak < 450
