"""Options that several commands have, and what is read by them."""

import argparse

from xmp_packets import packet

from decaf.commands.options import read_ratings_of


def rate_with_darktable(folder, stars):
    """Photos with sidecars of darktable, and the options that read their stars."""
    for number, each in enumerate(stars):
        (folder / f"{number}.jpg").touch()
        properties = f'xmp:Rating="{each}" darktable:xmp_version="5"'
        namespace = 'xmlns:darktable="http://darktable.sf.net/"'
        (folder / f"{number}.jpg.xmp").write_text(packet(properties, namespace))
    options = {"ratings": "xmp", "scale": None, "midpoint": None, "group_by": None}
    return argparse.Namespace(**options, test_list=None, skip_missing=False, ignore_stars=())


def test_many_single_stars_of_darktable_are_told_with_what_helps(tmp_path, capsys):
    args = rate_with_darktable(tmp_path, [1, 1, 1, 5, 2])
    read_ratings_of(args, tmp_path)
    told = capsys.readouterr().err
    assert "3 of them have one star in darktable's sidecars" in told
    assert "--ignore-stars 1" in told
    args.ignore_stars = [1]
    read_ratings_of(args, tmp_path)
    assert "darktable" not in capsys.readouterr().err


def test_stars_at_the_midpoint_are_told_to_be_neither_good_nor_bad(tmp_path, capsys):
    read_ratings_of(rate_with_darktable(tmp_path, [3, 3, 5, 2]), tmp_path)
    told = capsys.readouterr().err
    assert "2 of them have 3 stars, neither good nor bad" in told
    assert "--delta 0.5" in told
