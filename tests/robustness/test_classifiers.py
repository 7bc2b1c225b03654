from classifiers.catalogue import list_classifiers
from tests.robustness.classifiers import ATTACKS, OUTCOMES, examine, hostile_files, saved_parts


def test_hostile_classifiers_are_refused_or_score_and_whole_ones_score(tmp_path):
    wholes = [saved_parts(name).pack() for name in list_classifiers()]
    hostile = [
        content for name in list_classifiers() for _, content in hostile_files(name, len(ATTACKS))
    ]
    outcomes = [outcome for outcome, _ in examine([*wholes, *hostile], tmp_path)]
    assert set(outcomes[: len(wholes)]) == {"survived"}
    assert set(outcomes) <= set(OUTCOMES[:2])
    assert outcomes.count("refused") > len(hostile) / 2
