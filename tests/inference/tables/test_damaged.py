from tlf.inference.tables.damaged import Damaged


def test_it_knows_the_image():
    assert (Damaged(3, "is odd").image, str(Damaged(3, "is odd"))) == (3, "is odd")
