"""rate-photos: from an album to a model, with a person in place of the browser."""

import http.client
import json
import shutil
import threading
import webbrowser
from urllib.parse import urlsplit

import pytest
from PIL import Image
from tiny_model import save_tiny_model

from decaf.commands.rate_photos import main
from decaf.models.model import load_model
from features.xmp import read_rating


@pytest.fixture
def folder(samples, tmp_path):
    """An album of twelve photos of two kinds, and a model to begin with."""
    (tmp_path / "album").mkdir()
    for number, photo in enumerate(sorted(samples.glob("*.jpg"))[:12]):
        shutil.copy(photo, tmp_path / "album" / f"{number}.jpg")
    save_tiny_model(tmp_path / "prior")
    return tmp_path


def rate(address, n):
    """Answer questions as fast as they come, and finish; give the names of good photos."""
    place, good = urlsplit(address), []

    def ask(path, values=None):
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        headers = {"Content-Type": "application/json", "Origin": f"http://{place.netloc}"}
        body = None if values is None else json.dumps(values)
        method = "GET" if values is None else "POST"
        connection.request(method, place.path + path, body, headers)
        told = json.loads(connection.getresponse().read())
        connection.close()
        return told

    while n:
        for question in ask("state")["questions"][:1]:
            grade = 1 + 4 * (n % 2)
            good += question["names"] if grade == 5 else []
            ask("answer", {"number": question["number"], "act": "rated", "grade": grade})
            n -= 1
    return good, ask("finish", {})


def test_a_person_rates_and_gets_a_model_and_their_own_stars(folder, monkeypatch, capsys):
    rated = []

    def open_browser(address):
        work = threading.Thread(target=lambda: rated.extend(rate(address, 8)))
        work.start()

    monkeypatch.setattr(webbrowser, "open", open_browser)
    album, output = folder / "album", folder / "taste"
    argv = [str(album), "--model", str(folder / "prior"), "-o", str(output)]
    (folder / "before.csv").write_text("file,score\n10.jpg,1\n11.jpg,5\ngone.jpg,3\n")
    argv += ["--ratings", str(folder / "before.csv"), "--scale", "1", "5", "--skip-missing"]
    assert main([*argv, "--xmp"]) == 0
    told, said = capsys.readouterr()
    assert "1 rated photos are not there, and left out\n2 ratings taken in" in said
    assert told.startswith("http://127.0.0.1:")
    assert f"rank-photos {album} --model {output} -o ranking/" in told
    assert "your stars: 8 written, 0 there already" in told
    good, finished = rated
    assert finished == {"written": f"rank-photos {album} --model {output} -o ranking/"}
    assert {read_rating(album / name) for name in good} == {5}
    assert load_model(output).record.trained_on.photos == 10
    assert main([*argv, "--no-browser", "--two-keys"]) == 2
    assert "was begun with the grades [1, 2, 3, 4, 5]" in capsys.readouterr().err


def test_what_would_fail_at_the_end_is_refused_at_the_beginning(tmp_path, capsys):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").touch()
    for argv, reason in {
        ("-o", str(full)): "is not empty, and rate-photos has not begun it",
        ("-o", str(tmp_path / "a.jpg")): "Not a directory",
        ("-o", str(tmp_path / "o"), "--xmp", "--two-keys"): "two keys give none",
        ("-o", str(tmp_path / "o"), "--sidecar", "photo.xmp"): "--sidecar needs --xmp",
    }.items():
        assert main([str(tmp_path), *argv]) == 2
        said = capsys.readouterr().err
        assert reason in said and said.count("\n") == 1
    assert not (tmp_path / "o").exists()
