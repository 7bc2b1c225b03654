"""The folder beside an output in which its shards are made, until all of them are there."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from decaf.extraction.job import difference
from decaf.extraction.shards import read_json, stamp_of
from features.errors import AlreadyThere, InputError
from features.files import write_file, writing
from features.store import MANIFEST, merge_stores, write_manifest

_RUN, _LOCK = "run.json", "lock"
# What a folder of shards holds, and may still hold of its run.
_OWN = re.compile(rf"\d+\.(h5|json)|{re.escape(MANIFEST)}|{re.escape(_RUN)}|{_LOCK}|\..*\.part.*")


class RunFolder:
    """``<output>.parts``: its run's settings, a lock, and the shards with their statuses.

    Parameters
    ----------
    output : path-like
    force : bool
        Whether the run may replace it.

    Attributes
    ----------
    output, path : Path
        What the run is to write, and this folder.
    """

    def __init__(self, output: str | os.PathLike, force: bool):
        self.output = Path(output).absolute()
        self._force = force
        self.path = self.output.with_name(self.output.name + ".parts")
        self._became_output = False

    def check_output(self) -> None:
        """Refuse to replace what is there unasked, and a folder of anything but shards in any case.

        Raises
        ------
        AlreadyThere
            If the output is there, and is not to be replaced.
        InputError
            If it is a folder of something else.
        """
        if self.output.exists() and not self._force:
            raise AlreadyThere(f"{self.output}: is there already; choose another name")
        foreign = _foreign(self.output)
        if foreign:
            raise InputError(
                f"{self.output}: is a folder that holds {foreign[0]!r}, which is no shard; choose "
                "another name"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder for one run at a time; what a killed one was writing is removed.

        Raises
        ------
        InputError
            If another run is at work, or the folder cannot be written.
        """
        lock = FileLock(self.path / _LOCK, blocking=False)
        with writing(self.output):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout:
                raise InputError(
                    f"{self.output}: another run is writing it; wait for that, or choose another "
                    "name"
                ) from None
        try:
            for unfinished in self.path.glob(".*.part*"):
                unfinished.unlink(missing_ok=True)
            yield
        finally:
            # A folder that has become the output is not there any more, or another run's.
            if not self._became_output and not (self.path / _RUN).exists():
                (self.path / _LOCK).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    self.path.rmdir()
            lock.release()

    def written_by(self) -> str | None:
        """What was asked of the run that wrote the output, if it was killed while it cleaned up."""
        if self._is_left_in_output():
            return read_json(self.output / _RUN)["asked"]
        run = read_json(self.path / _RUN)
        if run is None or run["written"] is None or run["written"] != stamp_of(self.output):
            return None
        return run["asked"]

    def begin(self, settings: dict[str, Any], shard_rows: int) -> int:
        """Begin a run, or go on with the one that was not finished.

        Parameters
        ----------
        settings : dict
            What the features depend on; JSON values.
        shard_rows : int
            Photos of a shard, where this is a new run.

        Returns
        -------
        int
            Photos of a shard.

        Raises
        ------
        InputError
            If the unfinished run has other settings.
        """
        run = read_json(self.path / _RUN)
        if run is None:
            run = {"settings": settings, "shard_rows": shard_rows, "asked": None, "written": None}
            write_file(self.path / _RUN, json.dumps(run))
            return shard_rows
        if run["settings"] != settings:
            raise InputError(
                f"{self.path}: holds an unfinished run with "
                f"{difference(run['settings'], settings)}; remove it or choose another output"
            )
        return run["shard_rows"]

    def finish_as_file(
        self, shards: Sequence[Path], attributes: dict[str, Any], asked: str
    ) -> None:
        """Put one file of all rows in the output's place, and remove the folder.

        Parameters
        ----------
        shards : sequence of Path
            In the order of their rows.
        attributes : dict
            What made the features.
        asked : str
            What `written_by` is to give.
        """
        merged = self.path / "merged.h5"
        merge_stores(shards, merged, attributes=attributes, force=True)
        self.check_output()
        with writing(self.output):
            self._note_end(asked, stamp_of(merged))
            _put(merged, self.output)
        self.clean()

    def finish_as_folder(
        self, shards: Sequence[Path], attributes: dict[str, Any], asked: str
    ) -> None:
        """Put the folder itself in the output's place: the shards, and their manifest.

        Parameters
        ----------
        shards, attributes, asked
            As in `finish_as_file`.
        """
        names = {shard.name: None for shard in shards}
        write_manifest(self.path, names, attributes)
        self.check_output()
        with writing(self.output):
            # An unfinished run may have had more photos.
            for shard in self.path.glob("*.h5"):
                if shard.name not in names:
                    shard.unlink()
            self._note_end(asked, None)
            self._became_output = True
            _put(self.path, self.output)
        self.clean()

    def clean(self) -> None:
        """Remove what is not needed any more, now that the output is there."""
        if self._is_left_in_output():
            for path in self.output.iterdir():
                if path.suffix != ".h5" and path.name not in (MANIFEST, _RUN):
                    path.unlink()
            (self.output / _RUN).unlink()
            return
        # A status means that its shard is there.
        for path in sorted(self.path.iterdir(), key=lambda path: path.suffix != ".json"):
            if path.name not in (_RUN, _LOCK):
                path.unlink()
        # What tells that the run was finished goes last.
        (self.path / _RUN).unlink()

    def _is_left_in_output(self) -> bool:
        """Whether this folder has become the output, and was not cleaned up."""
        return (self.output / _RUN).exists() and not _foreign(self.output)

    def _note_end(self, asked: str, written: list[int] | None) -> None:
        run = read_json(self.path / _RUN)
        write_file(self.path / _RUN, json.dumps(run | {"asked": asked, "written": written}))


def _foreign(folder: Path) -> list[str]:
    """Names in a folder that a folder of shards does not hold; all, where it has no manifest."""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    has_manifest = MANIFEST in names
    return [name for name in names if not (has_manifest and _OWN.fullmatch(name))]


def _put(new: Path, output: Path) -> None:
    """Put a file or a folder in the place of another."""
    aside = output.with_name(f".{output.name}.old")
    _remove(aside)
    if output.is_dir() or (new.is_dir() and output.exists()):
        os.rename(output, aside)
    os.replace(new, output)
    sync_folder(output.parent)
    _remove(aside)


def _remove(path: Path) -> None:
    """Remove a file, or a folder of files, if it is there."""
    if path.is_dir():
        for each in path.iterdir():
            each.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
