"""Work on many machines: tasks on a Dask cluster, joblib's or our own."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any

from features.errors import InputError

if TYPE_CHECKING:
    from distributed import Client

# A scheduler that is there answers at once; its name may have to be looked up first.
ANSWER_SECONDS = 5
# Long enough for workers that were started together with the scheduler, or that start again.
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
        lack a package. A task is named by the first argument of its call.
    """
    if scheduler is None:
        yield
        return
    from joblib import parallel_config

    with _connected(scheduler) as client, parallel_config(_joblib_back_end(client)):
        yield


def map_on_cluster(
    scheduler: str,
    function: Callable,
    tasks: Iterable[tuple],
    subject: Callable[..., object] = lambda first, *others: first,
) -> Iterator:
    """Call a function with many arguments on a Dask cluster; a lost worker's calls are repeated.

    Parameters
    ----------
    scheduler : str
        Its address.
    function : callable
        A module's, which is installed on the workers, too.
    tasks : iterable of tuple
        Arguments; taken as the workers, also those that join later, come to need them.
    subject : callable
        From the arguments to what an error calls them; the first of them by default.

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
            results.update(
                [client.submit(function, *task, key=_key(subject(*task))) for task in some]
            )

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
        with _telling_what_befell(scheduler, client), _ending_without_workers(scheduler, client):
            yield client


@contextlib.contextmanager
def _ending_without_workers(scheduler: str, client: Client) -> Iterator[None]:
    """Cancel the work once it has had no workers for long: Dask waits for new ones for ever."""
    from distributed import CancelledError, Future

    ended = threading.Event()
    at_work: list[str] = []

    def watch() -> None:
        seen = time.monotonic()
        while not (ended.wait(1) or at_work):
            # A scheduler that is lost ends the work by itself.
            with contextlib.suppress(Exception):
                if client.ncores():
                    seen = time.monotonic()
                elif time.monotonic() - seen > WORKER_SECONDS:
                    at_work.append(_suspects(client))
                    client.cancel([Future(key, client) for key in list(client.futures)])

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except CancelledError as error:
        if not at_work:
            raise
        raise InputError(
            f"{scheduler}: all its workers are lost"
            + (f", the last ones at work on {at_work[0]}" if at_work[0] else "")
            + "; their logs say why. Start others, with more memory where they lacked it, and the "
            "work again"
        ) from error
    finally:
        ended.set()


@contextlib.contextmanager
def _telling_what_befell(scheduler: str, client: Client) -> Iterator[None]:
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        raise InputError(
            f"{scheduler}: the work on {_suspects(client, error.task)} has killed its workers "
            "again and again; their logs say why. Give them more memory where they lacked it, or "
            "leave that out"
        ) from error
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


def _joblib_back_end(client: Client) -> Any:
    """joblib's Dask back end, which alone waits for ever for calls that fail (joblib 1.6.0)."""
    from joblib._dask import DaskDistributedBackend

    class BackEnd(DaskDistributedBackend):
        def submit(self, func, callback=None):
            future = super().submit(func, callback)
            future.add_done_callback(lambda done: done.exception() and callback(done.exception()))
            return future

        def retrieve_result_callback(self, out):
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

        async def _to_func_args(self, func):
            batch, tasks = await super()._to_func_args(func)
            # The task's key begins with this.
            batch._funcname = ", ".join(str((*args, call)[0]) for call, args, _ in func.items)
            return batch, tasks

    return BackEnd(client=client)


def _key(subject: object) -> str:
    """The key of a task on a cluster, from which `_suspects` tells its subject."""
    return f"{subject}-{uuid.uuid4().hex}"


def _suspects(client: Client, *known: str) -> str:
    """What the tasks worked on, or were to be worked on next, when most workers were lost."""

    def lost_workers(dask_scheduler):
        return {key: task.suspicious for key, task in dask_scheduler.tasks.items()}

    lost = client.run_on_scheduler(lost_workers)
    most = max(lost.values(), default=0)
    keys = {*known, *(key for key, times in lost.items() if times == most > 0)}
    return " or ".join(re.sub(r"^batch_of_|(_\d+_calls)?-\w+$", "", key) for key in sorted(keys))
