"""What a recipe says against classes of different sizes, and what its notes say."""

from tlf.recipe.plan import find_splits, plan_of


def test_remedies_against_imbalance_are_known_and_noted_where_they_add_up(recipe, images, tmp_path):
    paths = sorted(images.glob("*/*/*.jpg"))
    rows = [f"{path},{path.parent.name},{path.parent.parent.name}" for path in paths]
    rows = [row for row in rows if "circles" not in row or "000" in row]
    file = tmp_path / "list.csv"
    file.write_text("\n".join(["path,label,split", *rows]))

    def told(*overrides):
        plan = plan_of(recipe, ["data.kind=csv", f"data.file={file}", *overrides])
        return [n for n in find_splits(plan).notes if "imbalanced" in n or "add up" in n]

    assert [note.partition("; ")[2] for note in told()] == [
        'to count all classes the same, write loss.class_weights = "balanced"'
    ]
    weights = "loss.class_weights=balanced"
    for remedy in ("sampler=balanced", weights, "loss.logit_adjustment=1"):
        assert told(remedy) == []
    assert told("phases.0.sampler=balanced", weights, "loss.logit_adjustment=0.5") == [
        'sampler = "balanced" and loss.class_weights = "balanced" and loss.logit_adjustment = 0.5 '
        "add up: in the loss, rare classes then count more than frequent ones; write one of them"
    ]
    shuffled = [f"phases.{number}.sampler=shuffled" for number in (0, 1)]
    assert told("sampler=balanced", weights, *shuffled) == []
