"""Work on many machines: tasks on a Dask cluster, joblib's or our own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import islice

from features.errors import InputError

# A scheduler that is there answers at once; its name may have to be looked up first.
ANSWER_SECONDS = 5
# Long enough for workers that were started together with the scheduler.
WORKER_SECONDS = 30
# One is worked on while the next one waits; the others are not made yet.
TASKS_A_THREAD = 2


@contextlib.contextmanager
def on_cluster(scheduler: str | None) -> Iterator[None]:
    """Let joblib's tasks run on a Dask cluster.

    Parameters
    ----------
    scheduler : str or None
        Its address; None changes nothing. While its workers have one thread in all, joblib keeps
        the tasks in this process.

    Raises
    ------
    InputError
        If Dask is not installed, no scheduler answers there, or it has no workers; if these or the
        scheduler are lost, a task has killed all the workers that it was given to, or the workers
        lack a package.
    """
    if scheduler is None:
        yield
        return
    from joblib import parallel_config

    with _connected(scheduler) as client, parallel_config("dask", client=client):
        yield


def map_on_cluster(scheduler: str, function: Callable, tasks: Iterable[tuple]) -> Iterator:
    """Call a function with many arguments on a Dask cluster; a lost worker's calls are repeated.

    Not through joblib, whose Dask back end waits for ever for a call that kills every worker
    (joblib 1.6.0).

    Parameters
    ----------
    scheduler : str
        Its address.
    function : callable
        A module's, which is installed on the workers, too.
    tasks : iterable of tuple
        Arguments; taken as the workers, also those that join later, come to need them.

    Yields
    ------
    object
        Results, as they come.

    Raises
    ------
    InputError
        As from `on_cluster`.
    """
    tasks = iter(tasks)
    with _connected(scheduler) as client:
        from distributed import as_completed

        def submit_more():
            wanted = TASKS_A_THREAD * sum(client.ncores().values()) - results.count()
            # At least one, for all workers may be lost and come back.
            some = islice(tasks, max(wanted, 0 if results.count() else 1))
            results.update([client.submit(function, *task, pure=False) for task in some])

        results = as_completed(loop=client.loop)
        submit_more()
        for future in results:
            yield future.result()
            submit_more()


@contextlib.contextmanager
def _connected(scheduler: str) -> Iterator:
    """A client of a Dask scheduler that has workers; what befalls them is said in one line."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("a cluster needs Dask: pip install 'decaf[cluster]'") from None

    # What goes wrong is said in one line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=ANSWER_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{scheduler}: no Dask scheduler answers there; start one with `dask scheduler`, or "
            "check the address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise InputError(
                f"{scheduler}: has no workers; start some with `dask worker {scheduler}`"
            ) from error
        with _telling_what_befell(scheduler):
            yield client


@contextlib.contextmanager
def _telling_what_befell(scheduler: str) -> Iterator[None]:
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker:
        raise InputError(
            f"{scheduler}: a part of the work has killed its workers again and again; their logs "
            "say why (memory?)"
        ) from None
    except ModuleNotFoundError as error:
        if error.name and find_spec(error.name.partition(".")[0]) is None:
            raise  # It is missing here, too.
        raise InputError(
            f"{scheduler}: a worker has no {error.name}; install the same decaf on all machines"
        ) from error
    # Other errors of the system are a worker's own, such as one of a file that it could not read.
    except (CancelledError, CommClosedError, ConnectionError, TimeoutError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{scheduler}: the scheduler, or all its workers, are lost ({reason}); start them and "
            "the work again"
        ) from error
