import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

import decaf


def _run(code, folder):
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def test_importing_decaf_imports_nothing_heavy(tmp_path):
    code = "import sys, decaf; print({'keras', 'numpy', 'sklearn'} & set(sys.modules))"
    assert _run(code, tmp_path).stdout == "set()\n"


def test_listing_the_backbones_does_not_import_keras(tmp_path):
    code = "import sys, decaf; decaf.list_backbones(); print('keras' in sys.modules)"
    assert _run(code, tmp_path).stdout == "False\n"


@pytest.mark.parametrize("name", ["features", "classifiers"])
def test_a_user_s_file_that_hides_a_package_is_named_with_the_remedy(tmp_path, name):
    hiding = tmp_path / f"{name}.py"
    hiding.write_text("")
    error = _run("import decaf", tmp_path).stderr.splitlines()[-1]
    assert error == (
        f"ImportError: {hiding} hides decaf's own package {name}; "
        "rename that file, or run elsewhere"
    )


def test_what_decaf_offers_is_found(tmp_path):
    assert sorted(decaf._HOMES) == decaf.__all__
    for name, home in decaf._HOMES.items():
        assert getattr(decaf, name) is getattr(import_module(home), name)
    assert set(decaf.__all__) <= set(dir(decaf))
    code = "from decaf import *; print(rank_photos.__module__)"
    assert _run(code, tmp_path).stdout == "decaf.ranking.ranking\n"


def test_the_version_is_the_installed_one():
    written = ConfigParser()
    written.read(Path(__file__).parents[2] / "setup.cfg")
    assert decaf.__version__ == written["metadata"]["version"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'decaf' has no attribute 'build_nets'"):
        decaf.build_nets  # noqa: B018
