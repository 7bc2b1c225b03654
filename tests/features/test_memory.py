"""Threads that share memory: never more than there is, and each in its turn."""

import threading
import time

from features.memory import SharedMemory


def run_all(memory, needs):
    """Take so many bytes in a thread each; the most that were taken at once, and in which order."""
    lock, order, taken, most = threading.Lock(), [], 0, 0

    def work(n_bytes):
        nonlocal taken, most
        with memory.taken(n_bytes):
            with lock:
                order.append(n_bytes)
                taken += n_bytes
                most = max(most, taken)
            time.sleep(0.01)
            with lock:
                taken -= n_bytes

    threads = [threading.Thread(target=work, args=(n_bytes,)) for n_bytes in needs]
    with memory.taken(100):  # until all are waiting
        for number, thread in enumerate(threads, start=1):
            thread.start()
            while thread.is_alive() and len(memory._waiting) < number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    return most, order


def test_threads_take_no_more_together_than_there_is():
    most, _ = run_all(SharedMemory(100), [40, 30, 50, 10, 60, 20, 40, 40])
    assert 60 < most <= 100


def test_who_needs_more_than_there_is_has_all_alone_and_in_its_turn():
    needs = [40, 250, *range(1, 20)]
    most, order = run_all(SharedMemory(100), needs)
    assert most == 250
    assert order[:2] == [40, 250]


def test_an_error_gives_back_what_was_taken():
    memory = SharedMemory(100)
    for _ in range(3):
        try:
            with memory.taken(100):
                raise RuntimeError
        except RuntimeError:
            pass
    assert run_all(memory, [100])[0] == 100
