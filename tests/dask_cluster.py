"""A real Dask scheduler and its workers, all processes of this machine, to be lost one by one."""

import os
import socket
import subprocess
import sys
import time

import distributed

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
ALLOWED_FAILURES = "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"


class DaskCluster:
    """A scheduler and workers of one thread.

    Parameters
    ----------
    folder : pathlib.Path
        The workers' working folder.
    n_workers : int
    allowed_failures : int
        Workers that may be lost with a task; Dask's own is 3.

    Attributes
    ----------
    address : str
    scheduler : subprocess.Popen
    workers : list of subprocess.Popen
    """

    def __init__(self, folder, n_workers, allowed_failures=1):
        self._folder = folder
        self._environment = ENVIRONMENT | {ALLOWED_FAILURES: str(allowed_failures)}
        self._port = free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.workers = []
        self.start(n_workers)

    def start(self, n_workers):
        """Start the scheduler, for the first time or again at the same address, and workers."""
        options = ["--host", "127.0.0.1", "--port", str(self._port)]
        self.scheduler = self._start("scheduler", *options)
        while not answers(self._port):
            time.sleep(0.1)
        self.add_workers(n_workers)

    def add_workers(self, n_workers, folder=None):
        """Start workers, in a folder of their own if one is given, and wait for them."""
        options = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        with distributed.Client(self.address, set_as_default=False) as client:
            n_before = len(client.ncores())
            self.workers += [
                self._start("worker", self.address, *options, folder=folder)
                for _ in range(n_workers)
            ]
            client.wait_for_workers(n_before + n_workers, timeout=120)

    def close(self):
        """Kill all of it."""
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()
        self.workers.clear()

    def _start(self, *arguments, folder=None):
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
            cwd=folder or self._folder, env=self._environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port):
    """Whether somebody listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
