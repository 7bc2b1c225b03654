import contextlib
import random

import pytest

from features.decoding import PhotoError
from features.errors import InputError
from tests.robustness.fuzz import damage_file
from tests.robustness.fuzzed_readers import READERS


@pytest.mark.parametrize("name", READERS)
def test_every_reader_reads_a_whole_file_and_refuses_damaged_ones_with_its_own_error(
    name, tmp_path
):
    reader = READERS[name]()
    path = tmp_path / f"input{reader.suffix}"
    draws = random.Random(0)
    damaged = [damage_file(reader, draws) for _ in range(20)]
    n_read = 0
    for content in [*map(reader.pack, reader.wholes), *damaged]:
        path.write_bytes(content)
        with contextlib.suppress(InputError, PhotoError):
            reader.read(path)
            n_read += 1
    assert n_read
