import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from estimator_checks import parametrize_with_path_checks
from PIL import Image
from sklearn.base import clone

from features.descriptors.generic import ALL_MEASURES, PhotoDescriptors
from features.descriptors.working_size import WORKING_PIXELS
from features.errors import InputError


@parametrize_with_path_checks([PhotoDescriptors()])
def test_the_estimator_keeps_the_conventions(estimator, check):
    check(estimator)


QUICK = ["contrast", "aspect_ratio", "colour_moments"]


def test_the_measures_stand_side_by_side_in_the_order_asked_for(paths):
    values = PhotoDescriptors(QUICK).fit_transform(paths)
    rgb = np.asarray(Image.open(paths[2]))
    expected = [np.atleast_1d(ALL_MEASURES[name](rgb)) for name in QUICK]
    np.testing.assert_array_equal(values[2], np.concatenate(expected))


def test_by_default_all_measures_are_taken_and_named(paths):
    described = PhotoDescriptors().set_output(transform="pandas").fit_transform(paths[:2])
    assert described.shape == (2, 733) and described.columns.is_unique
    assert {"hsv_histogram0", "gist511", "contrast", "hue_count"} <= set(described.columns)


def test_paths_come_as_list_column_series_or_path_objects(paths):
    transformer = PhotoDescriptors(QUICK).fit(paths)
    expected = transformer.transform(paths)
    for same in (list(paths), paths[:, None], pd.Series(paths), [Path(path) for path in paths]):
        np.testing.assert_array_equal(transformer.transform(same), expected)


def test_two_jobs_give_what_one_gives(paths):
    one = PhotoDescriptors(QUICK).fit_transform(paths)
    np.testing.assert_array_equal(PhotoDescriptors(QUICK, n_jobs=2).fit_transform(paths), one)


def test_clones_and_pickles_work_alike(paths):
    transformer = PhotoDescriptors(QUICK).fit(paths)
    expected = transformer.transform(paths)
    again = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(again.transform(paths), expected)
    np.testing.assert_array_equal(clone(transformer).fit_transform(paths), expected)


def test_large_photos_are_measured_at_the_working_size(tmp_path, monkeypatch):
    monkeypatch.setitem(ALL_MEASURES, "size", lambda rgb: rgb.shape[:2])
    for size in ((1000, 400), (30, 20), (600_000, 1)):
        Image.new("RGB", size).save(tmp_path / f"{size[0]}.png")
    transformer = PhotoDescriptors(["size"]).fit([tmp_path])
    sizes = transformer.transform(
        [tmp_path / name for name in ("1000.png", "30.png", "600000.png")]
    )
    assert sizes.tolist() == [[200, 500], [20, 30], [1, 244_949]]
    assert WORKING_PIXELS == 200 * 500


def test_a_photo_that_cannot_be_read_is_named(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no photo")
    with pytest.raises(InputError, match=r"broken\.jpg: \S"):
        PhotoDescriptors(QUICK).fit_transform([broken])


def test_an_unknown_measure_is_refused_with_the_nearest_names():
    with pytest.raises(InputError, match=r"no measure 'colorfulness'; choose from: colourfulness"):
        PhotoDescriptors(["colorfulness"]).fit(["a.jpg"])
