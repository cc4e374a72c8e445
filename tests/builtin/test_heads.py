from tlf import heads
from tlf.builtin.heads import tlf_heads


def test_the_heads_of_tlf_are_offered():
    assert tlf_heads() == heads.KINDS
    assert {heads.Linear, heads.Mlp, heads.Cosine, heads.AttentionPool} == {*tlf_heads().values()}


def test_the_offer_is_a_copy():
    tlf_heads().clear()
    assert heads.KINDS
