"""score-camera: on small videos of photos, with a model and with its exported file."""

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import cv2
import keras
import numpy as np
import pytest
from PIL import Image
from small_model import SIZE, make_model, noise

from decaf.camera import frames
from decaf.commands.score_camera import main
from decaf.models.export import export_model
from decaf.models.runtime import open_scorer
from features.photos import read_square

RATE = 10


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model's folder."""
    folder = tmp_path_factory.mktemp("models") / "model"
    make_model(noise()).save(folder)
    return folder


@pytest.fixture(scope="module")
def scorer(samples, tmp_path_factory):
    """The model's file, whose frames are compared with the sample photos."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow exports")
    path = tmp_path_factory.mktemp("scorers") / "scorer.tflite"
    export_model(make_model(noise()), path, photos=samples, progress=False)
    return path


@pytest.fixture(scope="module")
def photos(samples):
    return sorted(samples.glob("*.jpg"))[:8]


@pytest.fixture(scope="module")
def video(photos, tmp_path_factory):
    """A lossless video of the photos, half a second each."""
    path = tmp_path_factory.mktemp("videos") / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), RATE, (320, 240))
    for photo in photos:
        for _ in range(RATE // 2):
            writer.write(shown(photo)[..., ::-1])
    writer.release()
    return path


def shown(photo):
    """A photo as the video shows it."""
    with Image.open(photo) as image:
        return np.asarray(image.convert("RGB").resize((320, 240)))


def score(capsys, *arguments):
    """Run the command; give its rows: time, percentile, probability, and perhaps "kept"."""
    assert main([str(argument) for argument in arguments]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["time", "percentile", "probability"]
    return [line.split() for line in out[1:]]


def refuse(capsys, *arguments):
    """Run the command, expect a refusal, return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1
    return lines[0]


def test_frames_of_a_video_score_as_rank_photos_scores_the_photos(
    scorer, model, video, photos, tmp_path, capsys
):
    rows = score(capsys, "--model", scorer, "--source", video)
    assert [row[0] for row in rows] == [f"00:00:0{n // 2}.{n % 2 * 5}00" for n in range(8)]
    of_file = open_scorer(scorer)
    expected = []
    for photo in photos:
        Image.fromarray(shown(photo)).save(tmp_path / "frame.png")
        expected.append(of_file(read_square(tmp_path / "frame.png", SIZE)[0]))
    found = [float(row[2]) for row in rows]
    assert found == pytest.approx(expected, abs=0.01)
    # The better photo is told to be better.
    by_score = sorted(rows, key=lambda row: float(row[2]))
    assert [int(row[1]) for row in by_score] == sorted(int(row[1]) for row in rows)
    of_model = score(capsys, "--model", model, "--source", video)
    assert [float(row[2]) for row in of_model] == pytest.approx(found, abs=0.01)
    assert {row[1] for row in of_model} == {"–"}


def test_the_best_frames_of_each_stretch_are_kept_at_full_size(scorer, video, tmp_path, capsys):
    keep = ["--keep", 2, "--every", "2s", "-o", tmp_path / "best"]
    rows = score(capsys, "--model", scorer, "--source", video, "--interval", 0, *keep)
    assert len(rows) == 8 * RATE // 2
    kept = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert len(kept) == 4
    for stretch, seconds in ((kept[:2], "01"), (kept[2:], "23")):
        all_of_it = [float(row[2]) for row in rows if row[0][7] in seconds]
        with_kept = {row[0].replace(":", "."): float(row[2]) for row in rows}
        assert sorted(with_kept[name.split()[0]] for name in stretch) == sorted(all_of_it)[-2:]
    with Image.open(tmp_path / "best" / kept[0]) as photo:
        assert photo.size == (320, 240)
    assert "add --force" in refuse(capsys, "--model", scorer, "--source", video, *keep)


def test_no_keras_is_imported_for_an_exported_file(scorer, video):
    code = (
        "import sys\n"
        "for name in ('keras', 'tensorflow', 'torch', 'jax', 'sklearn'): sys.modules[name] = None\n"
        "from decaf.commands.score_camera import main\n"
        f"sys.exit(main(['--model', {str(scorer)!r}, '--source', {str(video)!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 9


def test_a_video_that_breaks_off_is_scored_until_then_and_told(scorer, video, tmp_path, capsys):
    content = video.read_bytes()
    (tmp_path / "half.avi").write_bytes(content[: len(content) // 2])
    assert main(["--model", str(scorer), "--source", str(tmp_path / "half.avi")]) == 2
    out, err = capsys.readouterr()
    assert 3 <= out.count("\n") <= 6
    assert "half.avi: broke off after" in err and "of 4.0 seconds" in err


def test_wrong_input_is_one_line(scorer, model, video, photos, tmp_path, capsys, monkeypatch):
    by = ["--model", scorer, "--source"]
    assert "camera 7: is not there" in refuse(capsys, *by, "7")
    assert "there is no such file" in refuse(capsys, *by, tmp_path / "none.mp4")
    assert "is a photo" in refuse(capsys, *by, photos[0])
    (tmp_path / "raw.cr2").write_bytes(b"II*\0" + bytes(100))
    assert "is a photo" in refuse(capsys, *by, tmp_path / "raw.cr2")
    (tmp_path / "film.mp4").write_bytes(b"no video")
    assert "is no video that OpenCV reads" in refuse(capsys, *by, tmp_path / "film.mp4")
    assert "is not there" in refuse(capsys, *by, "http://127.0.0.1:9/stream")
    assert "Picamera2 is not installed" in refuse(capsys, *by, "picamera")
    assert "need each other" in refuse(capsys, *by, video, "--keep", "2")
    some = ["--source", video]
    assert "no such model" in refuse(capsys, "--model", tmp_path / "none", *some)
    assert "give a model's folder" in refuse(capsys, "--model", photos[0], *some)
    assert "is not a model" in refuse(capsys, "--model", tmp_path, *some)
    for content in (b"no scorer", scorer.read_bytes()[:20_000]):
        (tmp_path / "scorer.tflite").write_bytes(content)
        message = refuse(capsys, "--model", tmp_path / "scorer.tflite", *some)
        assert "is no file of export-network, or is not whole" in message
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert "pip install 'decaf[camera]'" in refuse(capsys, *by, video)


def test_a_full_disk_is_told(scorer, video, tmp_path, capsys, monkeypatch):
    def full(*about):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    keep = ["--keep", 2, "-o", tmp_path / "best"]
    message = refuse(capsys, "--model", scorer, "--source", video, *keep)
    assert "cannot be written" in message and "No space left" in message
    assert not list((tmp_path / "best").iterdir())


@pytest.fixture
def stream(photos):
    """The address of a stream of two seconds, as cameras in a network give it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for number in range(40):
                _, jpeg = cv2.imencode(".jpg", shown(photos[number // 20])[..., ::-1])
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
                time.sleep(0.05)

        def log_message(self, *about):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/stream.mjpg"
    server.shutdown()
    thread.join()
    server.server_close()


def test_of_a_stream_the_newest_frame_is_scored_until_it_ends(scorer, stream, capsys):
    assert main(["--model", str(scorer), "--source", stream, "--interval", "0.1"]) == 2
    out, err = capsys.readouterr()
    assert 3 <= len(out.splitlines()) <= 40
    assert f"{stream}: has ended, after" in err


def test_of_picamera2_the_newest_frame_is_scored(scorer, photos, capsys, monkeypatch):
    taken = []

    class Picamera2:
        def create_video_configuration(self, main):
            assert main == {"format": "BGR888"}

        def configure(self, configuration):
            pass

        def start(self):
            pass

        def capture_array(self, name):
            taken.append(name)
            time.sleep(0.01)
            return shown(photos[0]) if len(taken) < 50 else None

        def close(self):
            taken.append("closed")

    module = ModuleType("picamera2")
    module.Picamera2 = Picamera2
    monkeypatch.setitem(sys.modules, "picamera2", module)
    assert main(["--model", str(scorer), "--source", "picamera", "--interval", "0.1"]) == 2
    out, err = capsys.readouterr()
    assert "picamera: has ended" in err
    assert 2 <= len(out.splitlines()) - 1 < 20
    assert taken[-1] == "closed"


def test_a_camera_that_gives_nothing_any_more_is_told(monkeypatch):
    monkeypatch.setattr(frames, "SILENT_SECONDS", 0.2)
    given = [np.zeros((2, 2, 3), np.uint8)]
    halt = threading.Event()

    def read():
        if given:
            return given.pop()
        halt.wait(5)

    live = frames._live("camera 0", (read, halt.set), 0)
    next(live)
    with pytest.raises(ValueError, match=r"camera 0: gave no frame for 0\.2 seconds"):
        next(live)
    halt.set()
