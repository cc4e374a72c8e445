from tlf.data.ranges.addresses import scheme


def test_a_path_has_no_scheme():
    assert scheme("a/b.tar") == scheme("/a/b.tar") == scheme("a://") == ""
