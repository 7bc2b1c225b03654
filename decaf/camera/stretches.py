"""The best frames of each stretch of time, kept as photos."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image

from decaf.camera.frames import Frame
from features.files import write_file, writing

QUALITY = 95


class BestOfStretches:
    """Keeps the best frames of each stretch in a folder, from the first one on.

    The files there are the best ones so far at any moment: however this ends, nothing is lost.

    Parameters
    ----------
    folder : path-like
        Is made if it is not there.
    n : int
        Frames that are kept of a stretch.
    seconds : float
        How long a stretch is.
    force : bool
        Replace files of the same names.
    """

    def __init__(self, folder: str | os.PathLike, n: int, seconds: float, *, force: bool = False):
        self.folder, self.n, self.seconds, self.force = Path(folder), n, seconds, force
        self._stretch = -1
        self._kept: list[tuple[float, Path]] = []

    def add(self, frame: Frame, score: float, label: str) -> bool:
        """Keep a frame if it is among the best of its stretch so far; the worst one goes for it.

        Parameters
        ----------
        frame : Frame
        score : float
        label : str
            Of the score, for the file's name.

        Returns
        -------
        bool
            Whether it is kept.

        Raises
        ------
        InputError
            It cannot be written.
        """
        stretch = int(frame.seconds // self.seconds)
        if stretch != self._stretch:
            self._stretch, self._kept = stretch, []
        if len(self._kept) == self.n and score <= self._kept[-1][0]:
            return False
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{clock(frame.seconds).replace(':', '.')} {label}.jpg"
        jpeg = io.BytesIO()
        Image.fromarray(frame.rgb).save(jpeg, "JPEG", quality=QUALITY)
        write_file(path, jpeg.getvalue(), force=self.force)
        self._kept = sorted([*self._kept, (score, path)], key=lambda kept: -kept[0])
        for _, worst in self._kept[self.n :]:
            worst.unlink(missing_ok=True)
        del self._kept[self.n :]
        return True


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    Examples
    --------
    >>> clock(3723.54)
    '01:02:03.540'
    """
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"
