import argparse
import signal

from decaf.commands.common import run_command


def test_sigterm_ends_a_command_as_ctrl_c_does_and_is_handled_as_before_then(capsys):
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def work(args):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleaned.append(True)

    assert run_command(work, argparse.ArgumentParser("work"), []) == 143
    assert capsys.readouterr().err == "work: interrupted; the same command goes on from here\n"
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) == before
