"""rank-photos: what it prints, its refusals, its exit statuses."""

import json
import shutil

import pytest
from hostile_album import make_album
from ranked import ranked, ranking_of
from tiny_model import save_tiny_model

from decaf.commands import rank_photos
from decaf.commands.rank_photos import main
from features.photos import file_digest


@pytest.fixture(scope="module")
def model(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    trained_on = [file_digest(path) for path in sorted(samples.glob("*.jpg"))[:2]]
    save_tiny_model(folder / "model", n_votes=7, trained_on=trained_on)
    return folder / "model"


@pytest.fixture(scope="module")
def album(samples, tmp_path_factory):
    return make_album(samples, tmp_path_factory.mktemp("album"))


def refuse(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip()
    lines = [line for line in error.splitlines() if line.startswith("rank-photos: error: ")]
    assert len(lines) == 1 and "Traceback" not in error
    return lines[0]


def test_what_is_printed_fits_a_terminal_and_says_what_the_model_knew(
    album, model, tmp_path, capsys
):
    arguments = [str(album), "--model", str(model), "-o", str(tmp_path / "ranking")]
    assert main([*arguments, "--copy-best", "3", str(tmp_path / "best")]) == 0
    captured = capsys.readouterr()
    out = captured.out.replace(str(tmp_path), "")
    assert all(len(line) <= 80 and line.isprintable() for line in out.splitlines())
    assert "6 photos ranked, 1 stack\n" in out
    assert "2 of these photos trained the model; their ranks are its memory" in out
    assert "1 photos could not be read; ranking.csv says why" in out
    assert "'broken.jpg': no photo in a known format" in captured.err
    copies = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert len(copies) == 3 and copies[0].startswith("1 ")


def test_a_ranking_is_replaced_only_with_force_and_other_files_stay(album, model, tmp_path, capsys):
    (tmp_path / "ranking.html").write_text("old")
    (tmp_path / "diary.txt").write_text("mine")
    arguments = [album, "--model", model, "-o", tmp_path]
    assert "is not empty; choose another folder, or add --force" in refuse(capsys, *arguments)
    only = tmp_path / "one.txt"
    only.write_text(str(album / "plain.jpg"))
    arguments[0] = only
    assert main([*map(str, arguments), "--force"]) == 0
    assert (tmp_path / "ranking.html").read_text(encoding="utf-8") != "old"
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("at", ["decaf.ranking.ranking.write_page", "shutil.copy2"])
def test_an_interrupted_command_goes_on_when_it_is_given_again(album, model, tmp_path, at, capsys):
    output, best = tmp_path / "ranking", tmp_path / "best"
    arguments = [
        str(album),
        "--model",
        str(model),
        "-o",
        str(output),
        "--copy-best",
        "3",
        str(best),
    ]

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at, interrupt)
        assert main(arguments) == 130
    assert (output / "ranking.csv").exists()
    assert main(arguments) == 0
    there = [".decaf.json", "ranking.csv", "ranking.html"]
    assert sorted(path.name for path in output.iterdir()) == there
    assert len(list(best.iterdir())) == 3


def test_a_ranking_that_nobody_has_touched_is_replaced_by_the_same_command(
    album, model, tmp_path, capsys
):
    arguments = [str(album), "--model", str(model), "-o", str(tmp_path / "ranking")]
    assert main(arguments) == 0
    assert main(arguments) == 0
    page = tmp_path / "ranking" / "ranking.html"
    page.write_text(page.read_text(encoding="utf-8") + "<!-- mine -->", encoding="utf-8")
    assert refuse(capsys, *arguments).endswith(
        "ranking: 'ranking.html' in it was changed since it was written; choose another folder, or "
        "add --force"
    )
    assert main([*arguments, "--force"]) == 0
    assert main(arguments) == 0


def test_a_ranking_is_not_mixed_with_a_model(album, model, tmp_path, capsys):
    shutil.copytree(model, tmp_path / "model")
    refusal = refuse(capsys, album, "--model", model, "-o", tmp_path / "model")
    assert "model: is not empty, and 'classifier.skops' in it would not be replaced" in refusal


def test_another_file_of_the_folder_is_no_ranking_to_go_on_with(album, model, tmp_path, capsys):
    (tmp_path / "ranking.csv").write_text("mine")
    assert "is not empty" in refuse(capsys, album, "--model", model, "-o", tmp_path)
    assert (tmp_path / "ranking.csv").read_text() == "mine"


def test_wrong_inputs_are_refused_in_one_line(album, model, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.jpg").write_bytes(b"no photo")
    newer = tmp_path / "newer"
    shutil.copytree(model, newer)
    record = json.loads((newer / "model.json").read_text()) | {"schema_version": 99}
    (newer / "model.json").write_text(json.dumps(record))
    a_file = tmp_path / "file"
    a_file.write_text("")
    output = tmp_path / "out"
    for arguments, message in (
        ([empty, "--model", model, "-o", output], "empty: no photos found"),
        ([broken, "--model", model, "-o", output], "broken: none of its 1 photos can be read"),
        ([album, "--model", newer, "-o", output], "has schema version 99, this program reads 1"),
        ([album, "--model", empty, "-o", output], "empty: is not a model"),
        ([album, "--model", model, "-o", a_file], "file: is a file; choose another folder"),
        ([album, "--model", model, "-o", a_file / "x"], "x: cannot be written: Not a directory"),
        ([album, "--model", model, "-o", output, "--copy-best", "0", "b"], "--copy-best 0: give"),
        ([album, "--model", model, "-o", output, "--copy-best", "b", "5"], "--copy-best b: give"),
        ([album, "--model", model, "-o", output, "--copy-best", "5", a_file], "file: is a file"),
    ):
        assert message in refuse(capsys, *arguments)
        assert not output.exists()


# Stars by percentile


def test_copies_are_refused_within_the_album_before_it_is_ranked(tmp_path, capsys):
    album, link = tmp_path / "album", tmp_path / "link"
    (album / "trip").mkdir(parents=True)
    link.symlink_to(album)
    for folder in (album, link, link / "trip", album / "best"):
        arguments = [album, "--model", tmp_path / "none", "-o", tmp_path / "ranking"]
        line = refuse(capsys, *arguments, "--copy-best", "3", folder)
        assert f"{folder}: lies in the album, where copies would be photos of their own" in line
    assert sorted(path.name for path in album.iterdir()) == ["trip"]


def print_stars(folder, capsys, **options):
    """What is printed of stars for five photos."""
    (folder / "1.jpg.xmp").write_text(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="2"/></rdf:RDF>'
    )
    (folder / "4.jpg.xmp").write_text("damaged")
    photos = [ranked(folder / f"{n}.jpg", n + 1, percentile=100.0 - 25 * n) for n in range(5)]
    given = ranking_of(*photos).write_stars(**options)
    rank_photos._print_stars(given, options.get("dry_run", False))
    return capsys.readouterr()


def test_a_dry_run_shows_what_would_be_written(tmp_path, capsys):
    lines = print_stars(tmp_path, capsys, dry_run=True).out.splitlines()
    assert lines[:4] == [
        f"written    5 stars  {tmp_path}/0.jpg.xmp",
        f"kept       4 stars  {tmp_path}/1.jpg.xmp (rated 2 by a person)",
        f"written    3 stars  {tmp_path}/2.jpg.xmp",
        f"written    2 stars  {tmp_path}/3.jpg.xmp",
    ]
    assert lines[4].startswith(f"refused    {tmp_path}/4.jpg.xmp: its XMP is damaged")
    assert lines[5] == (
        "stars: 3 would be written, 0 there already, 1 kept as a person rated, 1 refused"
    )


def test_stars_that_were_refused_are_told(tmp_path, capsys):
    out, err = print_stars(tmp_path, capsys)
    assert out == "stars: 3 written, 0 there already, 1 kept as a person rated, 1 refused\n"
    assert err.splitlines()[0] == "1 photos got no stars:"
    assert err.splitlines()[1].startswith(f"  {tmp_path}/4.jpg.xmp: its XMP is damaged")


def test_a_run_that_could_write_no_stars_does_not_end_with_0(tmp_path, capsys):
    photos = [ranked(tmp_path / "gone" / f"{n}.jpg", n + 1) for n in range(2)]
    assert rank_photos._print_stars(ranking_of(*photos).write_stars(), dry_run=False) == 1
    out, err = capsys.readouterr()
    assert out == "stars: 0 written, 0 there already, 0 kept as a person rated, 2 refused\n"
    assert err.count("cannot be written: No such file or directory") == 2
    photos.append(ranked(tmp_path / "a.jpg", 3))
    for _ in range(2):  # written, then there already
        assert rank_photos._print_stars(ranking_of(*photos).write_stars(), dry_run=False) == 0


def test_stars_are_written_into_sidecars_where_they_are_asked_for(album, model, tmp_path, capsys):
    shutil.copytree(album, tmp_path / "album")
    arguments = [str(tmp_path / "album"), "--model", str(model), "-o", str(tmp_path / "ranking")]
    assert main([*arguments, "--xmp", "--dry-run"]) == 0
    assert "stars: 6 would be written" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.xmp"))
    assert main([*arguments, "--force", "--xmp", "--sidecar", "photo.xmp"]) == 0
    assert "stars: 6 written" in capsys.readouterr().out
    assert (tmp_path / "album" / "plain.xmp").is_file()
    again = ["--force", "--xmp", "--sidecar", "photo.xmp", "--overwrite-ratings"]
    assert main([*arguments, *again]) == 0
    assert "stars: 0 written, 6 there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option", [["--dry-run"], ["--overwrite-ratings"], ["--sidecar", "photo.xmp"]]
)
def test_options_of_stars_need_xmp(option, tmp_path, capsys):
    line = refuse(capsys, tmp_path, "--model", tmp_path, *option, "-o", tmp_path / "ranking")
    assert line.endswith(f"error: {option[0]} needs --xmp")
