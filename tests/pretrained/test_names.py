"""The tensors of a file that a network takes, whatever wraps their names."""

import pytest

from tlf.errors import WeightsError
from tlf.pretrained import names

OWN = ("conv.weight", "bn.weight", "bn.num_batches_tracked")


def network(prefix="", value=0):
    return {f"{prefix}conv.weight": value, f"{prefix}bn.weight": value}


@pytest.mark.parametrize(
    ("key", "prefix", "place"),
    [
        ("", "_orig_mod.", "_orig_mod"),
        ("", "module.", "module"),
        ("state_dict", "", "state_dict"),
        ("model_state_dict", "module._orig_mod.", "model_state_dict.module._orig_mod"),
        ("state_dict", "model._orig_mod.", "state_dict.model._orig_mod"),
        ("state_dict", "module.encoder_q.", "state_dict.module.encoder_q"),
        ("student", "module.backbone.", "student.module.backbone"),
        ("net", "encoder.", "net.encoder"),
        ("a key of one's own", "wrapped.by.hand.", "a key of one's own.wrapped.by.hand"),
    ],
)
def test_what_stands_before_the_names_is_removed_and_said(key, prefix, place):
    found = names.match({key: network(prefix)}, OWN)
    assert found.tensors == network()
    assert found.notes == (f"the backbone takes the file's tensors under {place!r}",)


def test_names_that_need_no_change_need_no_note():
    assert names.match({"": network() | {"fc.weight": 0}}, OWN).notes == ()


@pytest.mark.parametrize(
    ("groups", "value", "beside"),
    [
        ({"state_dict": network(value=1), "state_dict_ema": network(value=2)}, 2, "'state_dict'"),
        ({"model": network(value=1), "ema.module": network(value=2)}, 2, "'model'"),
        ({"": network(value=1), "ema": network(value=2)}, 2, "its top level"),
        ({"student": network("backbone.", 1), "teacher": network("backbone.", 2)}, 2, "'student"),
        ({"net": network(value=1), "other": network(value=2)}, 1, "'other'"),
        (
            {"state_dict": network("encoder_k.", 1) | network("encoder_q.", 2)},
            2,
            "'state_dict.encoder_k'",
        ),
        ({"": network("b.", 1) | network("a.", 2)}, 1, "'a'"),
    ],
    ids=["timm", "ema", "top", "dino", "file's order", "moco", "prefixes"],
)
def test_of_several_networks_one_is_taken_in_the_stated_order(groups, value, beside):
    found = names.match(groups, OWN)
    assert found.tensors == network(value=value)
    assert f"; those under {beside}" in found.notes[0]
    assert found.notes[0].endswith("fit, too: backbone.weights_key chooses")


@pytest.mark.parametrize("key", ["student", "student.module", "module.backbone"])
def test_a_person_chooses_by_a_part_of_the_place(key):
    groups = {"teacher": network(value=1), "student": network("module.backbone.", 2)}
    assert names.match(groups, OWN, key).tensors == network(value=2)


def test_a_key_that_the_file_lacks_is_an_error_with_those_that_it_has():
    with pytest.raises(WeightsError, match=r"got 'techer'; did you mean 'teacher'\?"):
        names.match({"teacher": network(), "student": network()}, OWN, "techer")
    with pytest.raises(WeightsError, match="leave weights_key out"):
        names.match({"": network()}, OWN, "teacher")


def test_tensors_that_are_not_used_are_counted():
    tensors = network("model.") | {"queue": 0, "loss.weight": 0}
    (note,) = names.match({"state_dict": tensors}, OWN).notes
    assert note.endswith("under 'state_dict.model'; 2 left out: "
                         "queue, loss.weight")  # fmt: skip


def test_a_network_with_a_few_other_names_is_found_by_most_of_its_own():
    own = [*OWN, "new.weight"]
    assert names.match({"state_dict": network("model.")}, own).tensors == network()


def test_of_a_foreign_file_the_first_tensors_are_taken():
    groups = {"": {"epoch": 0}, "loss": {"w": 0}, "model": {"module.visual.w": 1, "module.b": 2}}
    assert names.match(groups, OWN) == names.Match({"visual.w": 1, "b": 2})


def test_a_name_of_a_million_parts_takes_no_time():
    groups = {"": {"a." * 10**6 + "x": 0, "a." * 10**6 + "conv.weight": 0, **network()}}
    assert names.match(groups, OWN).tensors.keys() > network().keys()
