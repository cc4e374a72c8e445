from tlf.data.splitting.names import Names, found_in, position


def test_an_image_is_found_by_its_name_in_its_split_or_where_it_is_now():
    names = {"train": Names(["a.jpg", "twice", "twice"]), "eval": Names(["b.jpg ", "c.jpg"])}
    assert position(names, "train", "a.jpg") == 0
    assert position(names, "eval", " b.jpg") == 0
    assert position(names, "train", "b.jpg") == "there is no image b.jpg in the train split"
    assert "several images are called twice" in position(names, "train", "twice")
    assert position(names, "test", "a.jpg") == "there is no test split; write train or eval"
    assert found_in(names, "train", "c.jpg") == "eval"
    assert found_in(names, "train", "gone.jpg") == "train"
    assert found_in({**names, "test": Names(["c.jpg"])}, "train", "c.jpg") == "train"
