from tlf.tasks.class_counts import ClassCounts


def test_counts_know_how_many_images_there_are():
    assert ClassCounts([2, 1]) == [2, 1]
    assert ClassCounts([2, 1]).images == 3
    assert ClassCounts([2, 1], 7).images == 7
