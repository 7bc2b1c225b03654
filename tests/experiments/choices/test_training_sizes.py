from experiments.choices.training_sizes import GRID, RECIPE


def test_the_recipe_is_set_beside_the_best_of_the_grid_at_every_size(run, ava, tmp_path):
    options = ["--backbone", "alexnet-owt", "--size", "own", "--blocks", "1", "--width", "4"]
    options += ["--longest", "1", "--draws", "1"]
    table, page = run("training-sizes", ava, tmp_path, *options, "--photos", "12")
    assert list(table["grid"]) == [name for name, (epochs, _) in GRID.items() if epochs <= 1]
    assert table["grid"][0] == RECIPE and set(table["photos"]) == {12}
    assert table["auc"].between(0, 1).all() and table["srcc"].between(-1, 1).all()
    assert "| 12 | 0." in page
