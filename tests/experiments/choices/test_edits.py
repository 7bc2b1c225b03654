from decaf.editing import damage_teaching
from decaf.editing.damages import DAMAGES
from decaf.editing.edits import Edit
from decaf.editing.suggesting import Advice
from decaf.editing.suggestions import Step
from experiments.choices.edits import CRITIC, MODEL, OPPOSITE, _shares


def advice(*edits):
    steps = tuple(Step(edit, 0.9, 0.8, 0.95) for edit in edits)
    return Advice(steps, 0.4, 0.5 if steps else 0.4, 10)


def test_a_damage_is_undone_or_made_worse_or_left():
    given = [
        advice(Edit("exposure", (0.5,))),
        advice(Edit("contrast", (1.4,)), Edit("exposure", (-0.5,))),
        advice(),
        advice(Edit("warmth", (0.5,))),
    ]
    shares = _shares(given, "one stop darker")
    assert (shares["undone"], shares["worse"], shares["left"]) == (0.25, 0.25, 0.25)
    assert shares["steps"] == 1 and shares["passes"] == 10


def test_a_tilt_is_undone_by_turning_back():
    back, further = Edit("straighten", (-4.0,)), Edit("straighten", (2.0,))
    shares = _shares([advice(back), advice(further), advice(further)], "tilt of 5°")
    assert (shares["undone"], shares["worse"]) == (1 / 3, 2 / 3)


def test_model_and_critic_are_asked_and_edits_suggested(run, ava, tmp_path, monkeypatch):
    # Its own tests teach by more.
    monkeypatch.setattr(damage_teaching, "MOST_PHOTOS", 20)
    monkeypatch.setattr(damage_teaching, "EDITED", 2)
    options = ["--backbone", "alexnet-owt", "--size", "own", "--good", "2", "--undone", "1"]
    table, page = run("edits", ava, tmp_path, *options)
    for name in (MODEL, CRITIC):
        own = table[table["score"] == name]
        assert list(own["of"]) == list(DAMAGES)
        assert (own["falls"] >= own["clearly"]).all()
    for damage in OPPOSITE:
        assert f"| {damage} | 1 |" in page
