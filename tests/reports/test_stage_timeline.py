from histories import FROZEN, TRAINS, epoch, two_phases
from tlf.reports.stage_timeline import MOST_COLUMNS, MOST_ROWS, Cell, strip


def test_each_stage_and_each_epoch_has_a_cell():
    made = strip(two_phases())
    assert made.columns == ("head 1", "head 2", "all 1", "all 2", "all 3")
    assert made.epochs == (1, 2, 1, 2, 3)
    assert made.phases == (("head", 2), ("all", 3))
    assert [row.name for row in made.rows] == ["head", "layer1", "stem"]
    states = [[cell.state for cell in row.cells] for row in made.rows]
    assert states == [["trains"] * 5, ["frozen"] * 2 + ["trains"] * 3, ["frozen"] * 5]
    assert made.rows[0].cells[0] == Cell("trains", 0.1, 0.5, 0.01)
    assert not made.shared


def test_neighbours_share_cells_where_there_are_too_many():
    names = [f"stage{n}" for n in range(1000)]
    stages = {name: FROZEN if n < 500 else TRAINS for n, name in enumerate(names)}
    history = [epoch("all", n, stages=stages | {"head": TRAINS}) for n in range(300)]
    made = strip(history)
    assert made.shared
    assert len(made.columns) == MOST_COLUMNS
    assert made.columns[0] == "all 1 … all 5"
    assert len(made.rows) == MOST_ROWS
    assert [row.name for row in made.rows[:2]] == ["head", "stage988 … stage999"]
    states = [row.cells[0].state for row in made.rows]
    assert states == ["trains"] * 20 + ["both"] + ["frozen"] * 19


def test_what_was_not_measured_is_not_guessed():
    made = strip([epoch("head", 0), epoch("head", 1, stages={"head": TRAINS})])
    assert [cell.state for cell in made.rows[0].cells] == ["unknown", "trains"]
    assert strip([epoch("head", 0)]).rows == ()
    assert strip([]).columns == ()
