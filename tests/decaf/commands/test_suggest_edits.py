"""suggest-edits: teaching, suggesting, applying, and what is refused."""

import json
import shutil
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from raw_files import make_dng
from seeing_model import save_taught_model
from small_model import make_model, noise, small_network

from decaf.commands.suggest_edits import main
from decaf.editing.damage_critic import CRITIC_FILE, RECORD_FILE
from decaf.editing.damages import DAMAGES
from decaf.editing.suggesting import Adviser
from features.photos import read_photo

RIGHT = {"one stop darker": 1.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that has been taught that light is good."""
    folder = tmp_path_factory.mktemp("models") / "model"
    save_taught_model(folder, RIGHT)
    return folder


@pytest.fixture
def album(tmp_path):
    """A dark photo in a folder, a light one, and one that is broken."""
    folder = tmp_path / "album"
    (folder / "2024").mkdir(parents=True)
    for name, level in {"2024/dark.png": 50, "light.jpg": 255}.items():
        Image.fromarray(np.full((40, 60, 3), level, np.uint8)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8")
    return folder


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_edits_are_suggested_accepted_and_applied(model, album, tmp_path, capsys):
    before = contents(album)
    assert main([str(album), "--model", str(model), "-o", str(tmp_path / "edits")]) == 0
    out, err = capsys.readouterr()
    assert "1 of 2 photos: edits are expected to help" in out
    assert "2024/dark.png\n  lighter by" in out and "the better one of the two with" in out
    assert "broken.jpg" in err
    assert max(len(line) for line in out.splitlines() if str(tmp_path) not in line) <= 80
    (photo,) = (
        photo
        for photo in json.loads((tmp_path / "edits/edits.json").read_text())["photos"]
        if photo["steps"]
    )
    chosen = tmp_path / "chosen.json"
    chosen.write_text(json.dumps({"version": 1, "photos": [photo]}))
    copies = tmp_path / "copies"
    assert main([str(album), "--apply", str(chosen), "-o", str(copies)]) == 0
    assert f"{copies}: 1 copies, 0 sidecars" in capsys.readouterr().out
    (copy,) = (path for path in copies.rglob("*") if path.is_file())
    assert np.asarray(Image.open(copy)).mean() > 60
    assert contents(album) == before


def test_a_raw_file_is_judged_as_developed_and_its_copy_is_a_jpeg(model, tmp_path, capsys):
    album, copies = tmp_path / "album", tmp_path / "copies"
    album.mkdir()
    scene = np.full((400, 600, 3), 60, np.uint8)
    scene[:40] = 250  # by which it is developed; all else is dark
    make_dng(album / "dark.dng", scene)
    (album / "broken.dng").write_bytes((album / "dark.dng").read_bytes()[:2000])
    before = contents(album)
    words = [str(album), "--model", str(model), "-o", str(tmp_path / "edits")]
    assert main([*words, "--save", str(copies)]) == 0
    out, err = capsys.readouterr()
    assert "dark.dng\n  lighter by" in out and f"{copies}: 1 copies" in out
    assert "broken.dng" in err
    developed, _ = read_photo(album / "dark.dng")
    assert np.asarray(Image.open(copies / "dark.dng.jpg")).mean() > 1.2 * developed.mean()
    assert contents(album) == before


def test_copies_of_all_are_saved_at_once(model, album, tmp_path, capsys):
    edits, copies = tmp_path / "edits", tmp_path / "copies"
    words = [str(album), "--model", str(model), "-o", str(edits), "--save", str(copies)]
    assert main(words) == 0
    assert f"{copies}: 1 copies" in capsys.readouterr().out
    assert len(contents(copies)) == 1
    assert main(words) == 0


def test_the_command_goes_on_after_an_interruption(model, album, tmp_path, capsys, monkeypatch):
    words = [str(album), "--model", str(model), "-o", str(tmp_path / "edits")]
    words += ["--cache", str(tmp_path / "cache")]
    suggest = Adviser.suggest
    monkeypatch.setattr(Adviser, "suggest", Mock(side_effect=KeyboardInterrupt))
    assert main(words) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    monkeypatch.setattr(Adviser, "suggest", suggest)
    assert main(words) == 0
    assert {"index.html", "edits.json"} <= {path.name for path in (tmp_path / "edits").iterdir()}


def test_a_model_is_taught_once_and_tells_what_it_sees(samples, album, tmp_path, capsys):
    folder = tmp_path / "model"
    make_model(noise(), network=small_network(head=False)).save(folder)
    told = [str(album), "--model", str(folder), "-o", str(tmp_path / "edits")]
    assert main(told) == 2
    assert (
        "has not been taught yet what damages photos; teach it with --teach"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "edits").exists()
    assert main(["--model", str(folder), "--teach", str(samples)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("taught by 60 photos")
    assert all(f"  {kind}" in out for kind in DAMAGES) and "(not undone)" in out
    assert (folder / CRITIC_FILE).is_file() and (folder / RECORD_FILE).is_file()
    assert main(told) == 0


def test_what_does_not_belong_together_is_refused(model, album, tmp_path, capsys):
    out = ["-o", str(tmp_path / "edits")]
    for words, reason in (
        ([], "name the photos"),
        ([str(album), "--model", str(model)], "PHOTOS and -o FOLDER need each other"),
        ([str(album), *out], "give either --model, or --apply"),
        ([str(album), *out, "--model", "m", "--apply", "f"], "give either --model, or --apply"),
        ([str(album), *out, "--apply", "f", "--save", "c"], "neither --teach, --save nor --force"),
        ([str(album), *out, "--apply", "f", "--force"], "neither --teach, --save nor --force"),
        (["--model", "m", "--teach", str(album), "--save", "c"], "--save takes the photos"),
        ([str(tmp_path / "no"), *out, "--apply", "f"], "there is no such folder or file"),
        ([str(album), *out, "--apply", str(album / "light.jpg")], "is no file of suggested edits"),
        ([str(tmp_path / "no"), *out, "--model", str(model)], "no"),
        ([str(album), *out, "--model", str(album)], "is not a model"),
        (["--model", str(model), "--teach", str(album)], "2 photos can be read; 20 or more"),
    ):
        assert main(words) == 2
        (line,) = [
            each for each in capsys.readouterr().err.splitlines() if each.startswith("suggest-")
        ]
        assert reason in line
    assert not (tmp_path / "edits").exists()


def test_a_list_s_edits_are_applied_to_the_photos_beside_it(model, album, tmp_path, capsys):
    listed, edits = album / "listed.txt", tmp_path / "edits"
    listed.write_text("2024/dark.png\n")
    assert main([str(listed), "--model", str(model), "-o", str(edits)]) == 0
    words = [str(listed), "--apply", str(edits / "edits.json"), "-o", str(tmp_path / "copies")]
    assert main(words) == 0
    assert "1 copies" in capsys.readouterr().out
    (album / "2024" / "dark.png").unlink()
    assert main(words) == 2
    assert "none of the photos of" in capsys.readouterr().err.splitlines()[-1]


def test_a_copy_that_is_there_is_no_reason_to_add_an_option_that_does_not_help(
    model, album, tmp_path, capsys
):
    edits, copies = tmp_path / "edits", tmp_path / "copies"
    words = [str(album), "--model", str(model), "-o", str(edits), "--save", str(copies)]
    (copies / "2024").mkdir(parents=True)
    (copies / "2024" / "dark.png.jpg").write_text("mine")
    assert main(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith("dark.png.jpg: is there already; choose another folder")


def test_results_that_would_be_photos_of_the_album_or_part_of_the_page_are_refused(
    model, album, tmp_path, capsys
):
    start, edits = [str(album), "--model", str(model)], tmp_path / "edits"
    for words, reason in (
        (["-o", str(album / "edits")], "would be taken for photos of it"),
        (["-o", str(edits), "--save", str(album / "new")], "would be taken for photos of it"),
        (["-o", str(edits), "--save", str(edits / "copies")], "lies in the page's folder"),
        (["-o", str(edits), "--save", str(edits)], "lies in the page's folder"),
    ):
        assert main([*start, *words]) == 2
        assert reason in capsys.readouterr().err
    assert not edits.exists() and not (album / "edits").exists()


def test_precision_is_no_option_since_edits_are_compared_in_float32(capsys):
    with pytest.raises(SystemExit):
        main(["album", "--precision", "bfloat16"])
    assert "unrecognized arguments: --precision" in capsys.readouterr().err


def test_a_folder_that_holds_something_else_stays(model, album, tmp_path, capsys):
    edits = tmp_path / "edits"
    shutil.copytree(album, edits)
    assert main([str(album), "--model", str(model), "-o", str(edits)]) == 2
    assert "add --force" in capsys.readouterr().err
    assert contents(edits).keys() == {edits / path.relative_to(album) for path in contents(album)}
