"""Memory that the threads of a process share, so that more of them do not take more of it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator


class SharedMemory:
    """So many bytes, of which threads take what they need for a while.

    Parameters
    ----------
    n_bytes : int

    Examples
    --------
    >>> memory = SharedMemory(1_000)
    >>> with memory.taken(600):
    ...     pass  # another thread that takes 600 waits here
    """

    def __init__(self, n_bytes: int) -> None:
        self._all = self._free = n_bytes
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextlib.contextmanager
    def taken(self, n_bytes: int) -> Iterator[None]:
        """Wait for so many bytes, and have them; who needs more than there are has all alone."""
        n_bytes = min(n_bytes, self._all)
        turn = object()
        with self._changed:
            self._waiting.append(turn)
            try:
                # In turn, or those that need little would overtake one that needs much for ever.
                self._changed.wait_for(lambda: self._waiting[0] is turn and self._free >= n_bytes)
                self._free -= n_bytes
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += n_bytes
                self._changed.notify_all()
