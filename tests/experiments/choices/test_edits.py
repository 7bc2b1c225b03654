import numpy as np

from decaf.editing.damages import DAMAGES, damage
from experiments.choices.edits import ANY, FAMILIES, SRCC, Version, judge, learners, versions


def made(score_of):
    """Two photos' versions with scores."""
    tried = []
    for row in (0, 1):
        tried += [Version(row, "as it is")]
        tried += [Version(row, "neutral", str(n)) for n in range(8)]
        tried += [Version(row, kind, name) for name in DAMAGES for kind in ("before", "damaged")]
        tried += [Version(row, family, str(n)) for family in FAMILIES for n in range(2)]
    return tried, np.array([score_of(each) for each in tried])


def test_shares_are_of_photos_whose_score_falls_and_that_no_edit_makes_clearly_better():
    def score_of(version):
        if version.kind == "neutral":
            return 0.1 * (int(version.name) % 2)  # deviates by .053
        if version.kind == "damaged":
            return {"blur": -1.0, "JPEG 15": -0.05 if version.row else 0.05}.get(version.name, 0.0)
        return 1.0 if version.kind == "crop" and version.row and version.name == "1" else 0.0

    rows = {row["of"]: row for row in judge(*made(score_of))}
    assert (rows["blur"]["share"], rows["blur"]["clearly"]) == (1, 1)
    assert (rows["JPEG 15"]["share"], rows["JPEG 15"]["clearly"]) == (0.5, 0)
    assert rows["warm cast"]["share"] == 0
    assert rows["crop"]["share"] == rows[ANY]["share"] == 0.5
    assert rows["exposure"]["share"] == 1


def test_a_damaged_photo_is_seen_against_the_same_part(samples):
    path = str(min(samples.glob("*.jpg")))
    by_kind = {}
    for version, rgb in versions(0, path):
        by_kind.setdefault(version.kind, {})[version.name] = rgb
    assert set(by_kind) == {"as it is", "neutral", "before", "damaged", *FAMILIES}
    for name in DAMAGES:
        before, after = by_kind["before"][name], by_kind["damaged"][name]
        assert name.startswith("a corner") or before.shape == after.shape
        assert before.shape != after.shape or (before != after).any()


def test_damage_that_teaches_has_other_strengths(samples):
    rgb = np.full((20, 20, 3), 100, np.uint8)
    random = np.random.default_rng(0)
    levels = {int(damage(rgb, "one stop darker", random)[1][0, 0, 0]) for _ in range(5)}
    assert len(levels) > 1


def test_every_learner_is_asked(run, ava, tmp_path):
    options = ["--backbone", "alexnet-owt", "--size", "own", "--blocks", "2"]
    table, page = run("edits", ava, tmp_path, *options, "--good", "3", "--taught", "2")
    for learner in learners(0):
        own = table[table["learner"] == learner]
        assert list(own["of"]) == [*DAMAGES, *FAMILIES, ANY, SRCC]
    assert table["share"].between(-1, 1).all()
    assert "left alone" in page
