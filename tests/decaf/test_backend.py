"""What is said of Keras and of what computes under it."""

import importlib
import os
import subprocess
import sys

import pytest

from decaf import backend
from features.errors import InputError


def test_a_back_end_that_is_not_installed_is_named_with_the_extra_that_installs_it(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'jax.numpy'", name="jax.numpy")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(InputError, match=r"no back end, jax is not installed: .*'decaf\[jax\]'"):
        backend.import_keras()


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [(["openvino"], "openvino"), (["openvino", "torch"], None), (["tensorflow"], None), ([], None)],
)
def test_openvino_is_the_back_end_where_no_other_is_installed(monkeypatch, installed, chosen):
    monkeypatch.setattr(backend, "find_spec", lambda name: name in installed or None)
    # Set first, so that what is chosen is taken back.
    monkeypatch.setenv("KERAS_BACKEND", "")
    monkeypatch.delenv("KERAS_BACKEND")
    backend.choose_back_end()
    assert os.environ.get("KERAS_BACKEND") == chosen
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    backend.choose_back_end()
    assert os.environ["KERAS_BACKEND"] == "jax"


def test_another_module_that_is_not_installed_is_not_taken_for_a_back_end(monkeypatch):
    def fail(name):
        raise ModuleNotFoundError("No module named 'keras'", name="keras")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="keras"):
        backend.import_keras()


def test_a_precision_is_chosen_by_the_hardware_or_by_name(monkeypatch):
    monkeypatch.setattr(backend, "has_gpu", lambda: False)
    for flags, chosen in ((set(), "float32"), ({"amx_bf16", "sse"}, "bfloat16")):
        monkeypatch.setattr(backend, "_cpu_flags", lambda flags=flags: flags)
        assert backend.choose_precision("auto") == chosen
        assert backend.choose_precision("float32") == "float32"
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    monkeypatch.setattr(backend, "_cpu_flags", set)
    assert backend.choose_precision("auto") == "bfloat16"
    with pytest.raises(InputError, match="precision 'int8': choose one of auto, float32, bfloat16"):
        backend.choose_precision("int8")


def test_what_libraries_write_to_stderr_is_kept_off_it(capfd):
    with backend.silent_stderr():
        subprocess.run([sys.executable, "-c", "import sys; print('noise', file=sys.stderr)"])
    print("a word", file=sys.stderr)
    assert capfd.readouterr().err == "a word\n"


def test_the_module_itself_imports_no_keras():
    code = "import sys, decaf.backend; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
