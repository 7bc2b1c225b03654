"""Frames of cameras, video files and streams, the newest one at a time."""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from features.albums import SUFFIXES
from features.errors import InputError

PICAMERA = "picamera"
# A live source that gives no frame for so long has gone.
SILENT_SECONDS = 10.0
# Containers tell the number of their frames with an error.
_MISSING_SHARE, _MISSING_FRAMES = 0.05, 2


class Frame(NamedTuple):
    """A frame, and when it was taken.

    Attributes
    ----------
    seconds : float
        Since the beginning.
    rgb : ndarray of uint8, shape (height, width, 3)
        RGB, 0–255.
    """

    seconds: float
    rgb: np.ndarray


def read_frames(source: str, interval: float = 0.0) -> Iterator[Frame]:
    """Frames of a camera, a video file or a stream, as they come.

    Parameters
    ----------
    source : str
        The number of a camera, ``picamera``, a video file, or the address of a stream.
    interval : float
        Seconds between two frames at least. Of a camera and a stream only the newest frame is
        given, whatever was taken while the last one was worked on.

    Yields
    ------
    Frame

    Raises
    ------
    InputError
        OpenCV or Picamera2 is missing; there is no such camera or file, or it is no video; it broke
        off, which is told after its last frame.
    """
    if source == PICAMERA:
        yield from _live(source, _open_picamera(), interval)
    elif source.isdecimal() or "://" in source:
        what = f"camera {source}" if source.isdecimal() else source
        yield from _live(what, _open_live(source, what), interval)
    else:
        yield from _of_file(Path(source), interval)


def _of_file(path: Path, interval: float) -> Iterator[Frame]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.suffix.lower() in SUFFIXES:
        raise InputError(f"{path}: is a photo, and no video; rank-photos scores photos")
    cv2 = _import_opencv()
    video = cv2.VideoCapture(str(path))
    try:
        rate = video.get(cv2.CAP_PROP_FPS)
        if not video.isOpened() or not rate > 0:
            raise InputError(f"{path}: is no video that OpenCV reads, or is not whole")
        expected = video.get(cv2.CAP_PROP_FRAME_COUNT)
        n_read, due = 0, 0.0
        while video.grab():
            seconds = n_read / rate
            n_read += 1
            if seconds < due:
                continue
            is_there, bgr = video.retrieve()
            if is_there:
                yield Frame(seconds, np.ascontiguousarray(bgr[..., ::-1]))
                due = seconds + interval
    finally:
        video.release()
    if n_read < expected - max(_MISSING_FRAMES, _MISSING_SHARE * expected):
        raise InputError(
            f"{path}: broke off after {n_read / rate:.1f} of {expected / rate:.1f} seconds"
        )


def _open_live(source: str, what: str) -> tuple[Callable[[], np.ndarray | None], Callable]:
    """What gives the next frame of a camera or a stream, None where it has gone; what closes it."""
    cv2 = _import_opencv()
    video = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not video.isOpened():
        video.release()
        raise InputError(f"{what}: is not there, or is used by another program")

    def read() -> np.ndarray | None:
        is_there, bgr = video.read()
        return np.ascontiguousarray(bgr[..., ::-1]) if is_there else None

    return read, video.release


def _open_picamera() -> tuple[Callable[[], np.ndarray | None], Callable]:
    try:
        # Of Raspberry Pi OS's packages; no extra of ours could bring it.
        picamera2 = importlib.import_module("picamera2")
    except ImportError as error:
        raise InputError(
            f"{PICAMERA}: Picamera2 is not installed: sudo apt install python3-picamera2"
        ) from error
    try:
        camera = picamera2.Picamera2()
        # What it calls BGR888 are arrays of red, green and blue.
        camera.configure(camera.create_video_configuration(main={"format": "BGR888"}))
        camera.start()
    # libcamera's own kinds.
    except Exception as error:
        raise InputError(f"{PICAMERA}: there is no camera, or it is in use ({error})") from error
    return lambda: camera.capture_array("main"), camera.close


def _live(
    what: str, opened: tuple[Callable[[], np.ndarray | None], Callable], interval: float
) -> Iterator[Frame]:
    """The newest frame each time: a thread of its own takes them, so that none waits in a queue."""
    read, close = opened
    newest: queue.Queue[np.ndarray | None] = queue.Queue(1)
    stopped = threading.Event()

    def take() -> None:
        rgb: np.ndarray | None = np.zeros(0)
        while rgb is not None and not stopped.is_set():
            rgb = read()
            with contextlib.suppress(queue.Empty):
                newest.get_nowait()
            newest.put(rgb)

    begun = time.monotonic()
    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        while True:
            try:
                rgb, why = newest.get(timeout=SILENT_SECONDS), "has ended"
            except queue.Empty:
                rgb, why = None, f"gave no frame for {SILENT_SECONDS:g} seconds"
            seconds = time.monotonic() - begun
            if rgb is None:
                raise InputError(f"{what}: {why}, after {seconds:.1f} seconds")
            yield Frame(seconds, rgb)
            time.sleep(max(0.0, begun + seconds + interval - time.monotonic()))
    finally:
        stopped.set()
        thread.join(SILENT_SECONDS)
        close()


def _import_opencv() -> Any:
    # FFmpeg writes past Python what is wrong with a file; one line says it.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise InputError("OpenCV is not installed: pip install 'decaf[camera]'") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
