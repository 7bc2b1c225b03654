from importlib import import_module

from experiments.pages import Page, table
from tests.robustness.attacks import ATTACKS, count


def test_every_attack_can_be_run():
    for name in ATTACKS:
        assert import_module(f"tests.robustness.{name}").EXPERIMENT.about


def test_the_first_table_of_an_attack_is_summed_up():
    rows = [
        {"attack": "one", "tried": 1_000, "refused": 990, "survived": 8, "hung": 2, "seconds": 1.5},
        {"attack": "other", "tried": 5, "refused": 5, "survived": 0, "hung": 0, "seconds": 0.5},
    ]
    tables = {"Attacks": table(rows, {name: f"{{{name}}}" for name in rows[0]})}
    counted = count(Page("", "", tables, rows, None))
    assert counted == {"tried": 1005, "refused": 995, "survived": 8, "lost": 0, "crashed": 2}
