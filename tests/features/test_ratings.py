import unicodedata

import numpy as np
import pytest

from features.errors import InputError
from features.ratings import read_ratings
from features.splits import choose_test_photos
from features.xmp import write_rating

VOTES = "file,count1,count2,count3,count4\na.jpg,0,0,1,3\nb.jpg,2,2,0,0\n"


@pytest.fixture
def folder(tmp_path):
    """A photo folder with a.jpg, b.jpg, c.jpg and d.jpg; the ratings never decode them."""
    for name in "abcd":
        (tmp_path / f"{name}.jpg").touch()
    return tmp_path


def write(path, text, **options):
    path.write_text(text, **options)
    return path


def message(source, *args, **options):
    """Return the one-line refusal of a ratings file."""
    with pytest.raises(InputError) as caught:
        read_ratings(source, *args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(source))


def csv_message(folder, text, **options):
    return message(write(folder / "r.csv", text), **options)


def ava_line(index, image_id, counts, challenge=7):
    return " ".join(map(str, [index, image_id, *counts, 0, 0, challenge])) + "\n"


AVA = ava_line(1, "a", [0] * 9 + [2]) + ava_line(2, "b", [3] + [0] * 9)


# What is read


def test_votes_give_mean_scale_midpoint_and_label(folder):
    ratings = read_ratings(write(folder / "r.csv", VOTES))
    assert list(ratings.names) == ["a.jpg", "b.jpg"]
    assert list(ratings.paths) == [str(folder / "a.jpg"), str(folder / "b.jpg")]
    assert ratings.votes.dtype == np.int64 and ratings.votes.tolist()[0] == [0, 0, 1, 3]
    np.testing.assert_array_equal(ratings.score, [15 / 4, 6 / 4])
    assert (ratings.scale, ratings.midpoint) == ((1, 4), 2.5)
    assert ratings.label.dtype == np.int8 and ratings.label.tolist() == [1, 0]
    assert ratings.split is None and ratings.group is None


def test_ava_lines_give_ten_counts_and_the_papers_midpoint(folder):
    ratings = read_ratings(write(folder / "AVA.txt", AVA))
    np.testing.assert_array_equal(ratings.score, [10, 1])
    assert (ratings.scale, ratings.midpoint) == ((1, 10), 5)
    assert list(ratings.names) == ["a.jpg", "b.jpg"]


def test_ava_photos_are_found_in_a_subfolder_images(tmp_path):
    (tmp_path / "images").mkdir()
    for name in "ab":
        (tmp_path / "images" / f"{name}.jpg").touch()
    ratings = read_ratings(write(tmp_path / "AVA.txt", AVA))
    assert list(ratings.names) == ["images/a.jpg", "images/b.jpg"]


def test_ava_photos_may_be_grouped_by_challenge(folder):
    text = ava_line(1, "a", [0] * 9 + [2], 5) + ava_line(2, "b", [3] + [0] * 9, 6)
    ratings = read_ratings(write(folder / "AVA.txt", text), group_by="challenge")
    assert list(ratings.group) == ["5", "6"]


def test_scores_between_0_and_1_need_no_scale(folder):
    ratings = read_ratings(write(folder / "r.csv", "file,score\na.jpg,0.51\nb.jpg,0.5\n"))
    assert (ratings.scale, ratings.midpoint) == ((0, 1), 0.5)
    assert ratings.label.tolist() == [1, 0] and ratings.votes is None


def test_other_scores_need_their_scale(folder):
    text = "file,score\na.jpg,80\nb.jpg,20\n"
    assert csv_message(folder, text) == (", line 2, column score: 80 is outside 0 to 1; correct it")
    ratings = read_ratings(folder / "r.csv", scale=(0, 100))
    assert ratings.midpoint == 50 and ratings.label.tolist() == [1, 0]


def test_the_midpoint_can_be_given(folder):
    ratings = read_ratings(
        write(folder / "r.csv", "file,score\na.jpg,.4\nb.jpg,.2\n"), midpoint=0.3
    )
    assert ratings.midpoint == 0.3 and ratings.label.tolist() == [1, 0]


@pytest.mark.parametrize("good, bad", [("1", "0"), ("Professional", "snapshot"), ("good", "bad")])
def test_labels_are_numbers_or_words(folder, good, bad):
    ratings = read_ratings(write(folder / "r.csv", f"file,label\na.jpg,{bad}\nb.jpg,{good}\n"))
    assert ratings.label.tolist() == [0, 1]
    assert ratings.score is None and ratings.scale is None and ratings.midpoint is None


def test_a_label_goes_before_the_midpoint(folder):
    text = "file,score,label\na.jpg,.9,bad\nb.jpg,.2,good\n"
    assert read_ratings(write(folder / "r.csv", text)).label.tolist() == [0, 1]


def test_scores_lie_above_the_midpoint_or_below_unless_a_label_contradicts_them(folder):
    agreeing = "file,score,label\na.jpg,.9,good\nb.jpg,.25,bad\nc.jpg,.5,bad\n"
    ratings = read_ratings(write(folder / "r.csv", agreeing))
    np.testing.assert_allclose(ratings.above_midpoint, [0.4, -0.25, 0])
    contradicting = agreeing.replace(".5,bad", ".5,good")
    assert read_ratings(write(folder / "r.csv", contradicting)).above_midpoint is None
    labels_only = "file,label\na.jpg,good\nb.jpg,bad\n"
    assert read_ratings(write(folder / "r.csv", labels_only)).above_midpoint is None


def test_class_folders_give_labels(tmp_path):
    for name in ("good/a.jpg", "good/sub/b.jpg", "bad/a.jpg", "other/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    ratings = read_ratings(tmp_path)
    assert list(ratings.names) == ["bad/a.jpg", "good/a.jpg", "good/sub/b.jpg"]
    assert ratings.label.tolist() == [0, 1, 1]


def test_a_photo_that_is_in_two_class_folders_is_refused(tmp_path):
    for name in ("classes/good/a.jpg", "classes/bad/a.jpg", "album/a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "album" / "a.jpg").touch()
    for name in ("good", "bad"):
        (tmp_path / "classes" / name / "a.jpg").symlink_to(tmp_path / "nowhere")
    assert message(tmp_path / "classes", tmp_path / "album") == (
        ", column file: 'good/a.jpg' is rated as 'bad/a.jpg' too; remove one"
    )


def test_photos_are_found_beside_the_csv_or_by_bare_name(tmp_path):
    (tmp_path / "csv" / "photos").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "csv/photos/a.jpg").touch()
    (tmp_path / "elsewhere/b.jpg").touch()
    text = "file,label\nphotos/a.jpg,1\nphotos/b.jpg,0\n"
    ratings = read_ratings(write(tmp_path / "csv/r.csv", text), tmp_path / "elsewhere")
    assert list(ratings.paths) == [
        str(tmp_path / "csv/photos/a.jpg"),
        str(tmp_path / "elsewhere/b.jpg"),
    ]
    assert list(ratings.names) == ["photos/a.jpg", "b.jpg"]


def test_photos_beside_the_csv_are_no_photos_of_a_folder_that_is_not_there(tmp_path):
    for name in ("photos/a.jpg", "photos/b.jpg", "others/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    source = write(tmp_path / "photos/ratings.csv", "file,label\na.jpg,1\nb.jpg,0\n")
    missing = tmp_path / "fotos"
    assert (
        message(source, missing) == f"{missing}: there is no such folder; give that of the photos"
    )
    others = tmp_path / "others"
    assert f"none of its photos are in {others}; give their folder" in message(source, others)
    assert read_ratings(source, tmp_path / "photos").n_beside == 0
    (others / "a.jpg").touch()
    assert read_ratings(source, others).n_beside == 1


@pytest.mark.parametrize(("of_file", "of_row"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_may_be_spelt_in_another_normal_form(folder, of_file, of_row):
    photo = folder / unicodedata.normalize(of_file, "Köln.jpg")
    photo.touch()
    name = unicodedata.normalize(of_row, "Köln.jpg")
    ratings = read_ratings(write(folder / "r.csv", f"file,label\na.jpg,1\n{name},0\n"))
    assert list(ratings.paths) == [str(folder / "a.jpg"), str(photo)]


def test_utf_16_is_read_as_windows_programs_write_it(folder):
    path = folder / "r.csv"
    path.write_bytes("file,label\r\na.jpg,1\r\nb.jpg,0\r\n".encode("utf-16"))
    assert list(read_ratings(path).names) == ["a.jpg", "b.jpg"]


def test_names_are_relative_to_the_photo_folder(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    (tmp_path / "photos/b (1).jpg").touch()
    text = "file,label\nphotos/a.jpg,1\nphotos/b (1).jpg,0\n"
    ratings = read_ratings(write(tmp_path / "r.csv", text), tmp_path / "photos")
    assert list(ratings.names) == ["a.jpg", "b (1).jpg"]


def test_missing_photos_are_counted_or_skipped(folder):
    text = "file,label,group\na.jpg,1,x\nlost.jpg,0,y\nb.jpg,0,z\ngone.jpg,0,z\n"
    assert csv_message(folder, text) == (
        f", line 3: 2 of 4 photos are missing in {folder}, first 'lost.jpg'; give their folder"
    )
    ratings = read_ratings(folder / "r.csv", skip_missing=True)
    assert list(ratings.names) == ["a.jpg", "b.jpg"] and list(ratings.group) == ["x", "z"]
    assert ratings.missing == 2


def test_a_file_without_any_of_its_photos_is_refused(tmp_path):
    source = write(tmp_path / "r.csv", VOTES)
    assert "none of its photos" in message(source, skip_missing=True)


def test_split_and_group_columns_are_kept(folder):
    text = "file,label,split,group,theme\na.jpg,1,train,g,t\nb.jpg,0,test,h,u\n"
    source = write(folder / "r.csv", text)
    ratings = read_ratings(source)
    assert list(ratings.split) == ["train", "test"] and list(ratings.group) == ["g", "h"]
    assert list(read_ratings(source, group_by="theme").group) == ["t", "u"]


def test_a_test_list_names_ids_or_files(folder):
    source = write(folder / "r.csv", "file,label\na.jpg,1\nb.jpg,0\nc.jpg,1\n")
    test_list = write(folder / "test.jpgl", "a\r\nc.jpg\nnowhere\n\n")
    assert list(read_ratings(source, test_list=test_list).split) == ["test", "train", "test"]


def test_avas_folder_is_read_by_its_own_layout(tmp_path):
    for name in ("images", "aesthetics_image_lists", "style_image_lists"):
        (tmp_path / name).mkdir()
    for name in "ab":
        (tmp_path / "images" / f"{name}.jpg").touch()
    source = write(tmp_path / "AVA.txt", AVA + ava_line(3, "lost", [1] * 10))
    write(tmp_path / "aesthetics_image_lists/generic_test.jpgl", "a\nlost\n")
    write(tmp_path / "style_image_lists/test.jpgl", "b\n")
    for test_list, split in (
        ("generic_test.jpgl", ["test", "train"]),
        ("test.jpgl", ["train", "test"]),
    ):
        ratings = read_ratings(source, test_list=test_list, skip_missing=True)
        assert ratings.names.tolist() == ["images/a.jpg", "images/b.jpg"]
        assert (ratings.split.tolist(), ratings.missing) == (split, 1)
    with pytest.raises(InputError, match=r"^no_test\.jpgl: cannot be read"):
        read_ratings(source, test_list="no_test.jpgl", skip_missing=True)


def test_a_test_list_of_other_photos_is_refused(folder):
    source = write(folder / "r.csv", VOTES)
    test_list = write(folder / "test.jpgl", "7\n8\n")
    with pytest.raises(InputError, match=r"test\.jpgl: none of its photos is in .*r\.csv"):
        read_ratings(source, test_list=test_list)


def test_take_keeps_the_columns_together(folder):
    ratings = read_ratings(write(folder / "r.csv", VOTES))
    second = ratings.take(np.array([False, True]))
    assert len(second) == 1 and list(second.names) == ["b.jpg"]
    assert second.votes.tolist() == [[2, 2, 0, 0]] and second.split is None
    assert second.scale == ratings.scale
    assert list(ratings.take([1, 0]).names) == ["b.jpg", "a.jpg"]


# What is refused: file, line, column and remedy


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "file,count1,count2\na.jpg,1,2\nb.jpg,1,-2\n",
            ", line 3, column count2: -2 is not a count; give 0, 1, 2 …",
        ),
        (
            "file,count1,count2\na.jpg,1e30,2\nb.jpg,1,2\n",
            ", line 2, column count1: 1e30 is not a count; give 0, 1, 2 …",
        ),
        (
            "file,count1,count2\na.jpg,1.5,2\nb.jpg,1,2\n",
            ", line 2, column count1: 1.5 is not a count; give 0, 1, 2 …",
        ),
        (
            "file,count1,count2\na.jpg,1,2\n\nb.jpg,1,many\n",
            ", line 4, column count2: 'many' is not a number",
        ),
        ("file,score\na.jpg,\nb.jpg,1\n", ", line 2, column score: '' is not a number"),
        (
            "file,score\na.jpg,nan\nb.jpg,1\n",
            ", line 2, column score: 'nan' is not a finite number",
        ),
        (
            "file,count1,count2\na.jpg,1,2\nb.jpg,0,0\n",
            ", line 3: all counts are 0; remove the photo",
        ),
        (
            "file,label\na.jpg,1\nb.jpg,0\n./a.jpg,0\n",
            ", line 4, column file: './a.jpg' is rated in line 2 too; remove one",
        ),
        (
            "file,count1,count3\na.jpg,1,2\n",
            ": the columns count1 … countK must be without gaps: add count2",
        ),
        (
            "file,count1,count2,count999999999\na.jpg,1,2,3\n",
            ": the columns count1 … countK must be without gaps: add count3",
        ),
        (
            "file,count0,count1,count2\na.jpg,1,2,3\n",
            ": the columns count1 … countK must be without gaps: start at count1",
        ),
        (
            "file,theme\na.jpg,x\n",
            ": no ratings: add the columns count1 … countK, score or label",
        ),
        ("file,score\n,1\n", ", line 2, column file: the cell is empty; name a photo"),
        (
            "file,score\na.jpg,.7\nb.jpg,.8\n",
            ": all 2 photos are professional by the midpoint 0.5: both classes are needed; "
            "rate more photos, or give another midpoint",
        ),
        (
            "file,label\na.jpg,0\n",
            ": all 1 photos are snapshot: both classes are needed; rate more photos",
        ),
        (
            "file,label\na.jpg,2\n",
            ", line 2, column label: '2' is none of 1, professional, good, 0, snapshot, bad",
        ),
        (
            "file,label,split\na.jpg,1,test\nb.jpg,0,val\n",
            ", line 3, column split: 'val' is none of train, test",
        ),
    ],
)
def test_a_faulty_csv_is_refused_in_one_line(folder, text, expected):
    assert csv_message(folder, text) == expected


def test_an_unknown_group_column_is_refused(folder):
    assert csv_message(folder, VOTES, group_by="theme").startswith(
        ": no column 'theme' to group by among file, count1"
    )


def test_a_scale_that_contradicts_the_counts_is_refused(folder):
    assert csv_message(folder, VOTES, scale=(1, 10)) == (
        ": the scale 1 to 10 does not fit the columns count1 … count4; leave the scale out"
    )


def test_a_midpoint_off_the_scale_is_refused(folder):
    assert csv_message(folder, VOTES, midpoint=5) == ": the midpoint 5 must lie between 1 and 4"


def test_a_faulty_ava_count_is_refused_with_line_and_grade(folder):
    text = AVA.replace("3 0", "3 -1", 1)
    assert message(write(folder / "AVA.txt", text)) == (
        ", line 2, column count2: -1 is not a count; give 0, 1, 2 …"
    )


# Real ratings


def test_the_real_ava_file_has_its_known_size_balance_and_test_photos(shared_data, tmp_path):
    source = shared_data / "ava/AVA.txt"
    ids = [line.split()[1] for line in source.read_text().splitlines()]
    for image_id in ids:
        (tmp_path / f"{image_id}.jpg").touch()
    official = shared_data / "ava/generic_test.jpgl"
    ratings = read_ratings(source, tmp_path, test_list=official)
    assert len(ratings) == 56_963
    assert ratings.label.mean() == pytest.approx(0.70, abs=0.01)
    np.testing.assert_array_equal(ratings.votes[0], [7, 7, 8, 14, 22, 11, 8, 6, 2, 0])
    overlap = set(ids) & set(official.read_text().split())
    assert (ratings.split == "test").sum() == len(overlap) == 4_695


@pytest.mark.parametrize(
    "name, group_by, size, positive",
    [("oasis", "theme", 489, 0.70), ("biq2021", "neardup_group", 1712, 0.40)],
)
def test_the_real_sets_are_read_and_split(shared_data, name, group_by, size, positive):
    folder = shared_data / name
    ratings = read_ratings(folder / "ratings.csv", folder / "photos", group_by=group_by)
    assert len(ratings) == size
    assert ratings.label.mean() == pytest.approx(positive, abs=0.005)
    rows = choose_test_photos(ratings, 0.2, seed=0)
    assert not set(ratings.group[rows]) & set(ratings.group[~rows])
    assert rows.mean() == pytest.approx(0.2, abs=0.01)
    assert ratings.label[rows].mean() == pytest.approx(positive, abs=0.02)


# Stars


def give_stars(folder, stars):
    """Photos p0.jpg … in a folder with these ratings in sidecars; None gives no sidecar."""
    for number, rating in enumerate(stars):
        path = folder / f"p{number}.jpg"
        path.touch()
        if rating is not None:
            path.with_name(f"p{number}.jpg.xmp").write_text(
                '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
                f'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}"/></rdf:RDF>'
            )
    return folder


def test_stars_are_scores_from_1_to_5_and_3_are_a_snapshot(tmp_path):
    ratings = read_ratings("xmp", give_stars(tmp_path, [1, 2, 3, 4, 5]))
    assert ratings.names.tolist() == [f"p{number}.jpg" for number in range(5)]
    assert ratings.paths.tolist() == [str(tmp_path / f"p{number}.jpg") for number in range(5)]
    assert ratings.score.tolist() == [1, 2, 3, 4, 5]
    assert (ratings.scale, ratings.midpoint, ratings.votes) == ((1, 5), 3, None)
    assert ratings.label.tolist() == [0, 0, 0, 1, 1]
    assert read_ratings("xmp", tmp_path, midpoint=2.5).label.tolist() == [0, 0, 1, 1, 1]


def test_rejected_photos_have_one_star_and_unrated_ones_are_left_out(tmp_path):
    give_stars(tmp_path, [-1, 0, None, 5, 0.5])
    ratings = read_ratings("xmp", tmp_path)
    assert ratings.names.tolist() == ["p0.jpg", "p3.jpg", "p4.jpg"]
    assert ratings.score.tolist() == [1, 5, 1]
    assert (ratings.unrated, ratings.failed) == (2, ())


def test_stars_that_decaf_wrote_train_nothing(tmp_path):
    give_stars(tmp_path, [1, 5, None])
    write_rating(tmp_path / "p2.jpg.xmp", 4)
    ratings = read_ratings("xmp", tmp_path)
    assert ratings.names.tolist() == ["p0.jpg", "p1.jpg"]
    assert ratings.unrated == 1


def test_stars_that_cannot_be_read_are_told_and_do_not_keep_the_others(tmp_path):
    give_stars(tmp_path, [1, 5, 9])
    ratings = read_ratings("xmp", tmp_path)
    ((name, reason),) = ratings.failed
    assert name == "p2.jpg" and "its rating '9' is not -1 or 0 to 5" in reason
    assert len(ratings) == 2 and ratings.take([0]).failed == ratings.failed


def test_stars_of_listed_photos_are_split_by_a_test_list(tmp_path):
    give_stars(tmp_path, [1, 5, 1, 5])
    listed = write(tmp_path / "some.txt", "p3.jpg\n./p3.jpg\np0.jpg\n")
    ratings = read_ratings("xmp", listed, test_list=write(tmp_path / "test.txt", "p3\n"))
    assert ratings.names.tolist() == ["p3.jpg", "p0.jpg"]
    assert ratings.split.tolist() == ["test", "train"]


def test_stars_that_cannot_serve_are_refused(tmp_path):
    assert message("xmp") == ": give the photos that have stars"
    give_stars(tmp_path, [0, None])
    assert message("xmp", tmp_path) == (
        f"{tmp_path}: none of its 2 photos has stars that can be read; rate some"
    )
    give_stars(tmp_path, [1, 3])
    assert message("xmp", tmp_path) == (
        f"{tmp_path}: all 2 photos are snapshot by the midpoint 3: both classes are needed; "
        "rate more photos, or give another midpoint"
    )
    assert "no column 'theme' to group by" in message("xmp", tmp_path, group_by="theme")
    assert message("xmp", tmp_path, midpoint=5).endswith("must lie between 1 and 5")


def test_a_file_named_xmp_is_given_as_a_path(folder):
    class_folders = folder / "xmp"
    for name in ("good/a.jpg", "bad/b.jpg"):
        (class_folders / name).parent.mkdir(parents=True)
        (class_folders / name).touch()
    assert read_ratings(class_folders).label.tolist() == [0, 1]


def test_photos_that_cannot_be_read_leave_with_their_reasons(folder):
    text = "file,score,group\na.jpg,.9,x\nb.jpg,.2,y\nc.jpg,.3,z\n"
    rated = read_ratings(write(folder / "r.csv", text))
    assert rated.digests is None
    once = rated.readable([0, 2], ["aa", "cc"], [(1, "damaged")])
    assert once.names.tolist() == ["a.jpg", "c.jpg"] and once.group.tolist() == ["x", "z"]
    assert once.digests.tolist() == ["aa", "cc"]
    assert once.failed == (("b.jpg", "damaged"),)
    again = once.readable(np.array([1]), np.array(["cc"]), {0: "gone"}.items())
    assert again.score.tolist() == [0.3] and again.digests.tolist() == ["cc"]
    assert again.failed == (("b.jpg", "damaged"), ("a.jpg", "gone"))


def test_a_feature_store_keeps_the_columns_that_are_known(folder):
    text = "file,count1,count2\na.jpg,3,1\nb.jpg,0,2\n"
    rated = read_ratings(write(folder / "r.csv", text))
    columns = rated.columns()
    assert list(columns) == ["score", "label", "votes"]
    assert columns["votes"] is rated.votes
