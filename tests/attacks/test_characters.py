import pytest

from unlearning_robustness.attacks.characters import Characters, insert, shuffle, substitute

TEXT = "The symbol of iron is"


def test_characters_are_inserted_and_substituted_at_every_nth_place_but_the_last():
    assert insert("abcdef", 2, "!") == "ab!cd!ef" and insert("abcdef", 1, "_") == "a_b_c_d_e_f"
    assert substitute("abcdef", 2, "!") == "a!c!ef" and substitute("abcdef", 1, "_") == "_____f"
    assert insert("abc", 7, "!") == substitute("abc", 7, "!") == "abc"


@pytest.mark.parametrize("every", [2, 3, 7])
def test_stretches_are_shuffled_within_themselves_by_a_seed(every):
    mixed = shuffle(TEXT, every, 1)
    assert mixed != TEXT and mixed[-1] == TEXT[-1] and len(mixed) == len(TEXT)
    body = len(TEXT) - 1
    for start in range(0, body, every):
        stop = min(start + every, body)
        assert sorted(mixed[start:stop]) == sorted(TEXT[start:stop])
    assert shuffle(TEXT, every, 1) == mixed != shuffle(TEXT, every, 2)


def test_variants_are_all_spacings_with_all_characters(question_table):
    variants = Characters([1, 3], 0.05, "!_").variants(seed=1)
    # Shuffling stretches of one character changes nothing.
    assert len(variants) == 2 * 2 * 2 + 1
    asked = {name: tuple(ask(question_table)["prompt"]) for name, ask in variants.items()}
    assert len(set(asked.values())) == len(asked)
    assert asked["insert '_' every 3"][0] == "Iro_n i_s"
