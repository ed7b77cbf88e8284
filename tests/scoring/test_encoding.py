from itertools import product

import pytest

from unlearning_robustness.scoring.encoding import windows


@pytest.mark.parametrize(("length", "tokens"), product((1, 2, 5, 17, 18, 40), (2, 3, 9, 18)))
def test_windows_leave_nothing_out_and_predict_every_token_but_the_first_once(length, tokens):
    ids = list(range(length))
    parts = windows(ids, tokens)
    assert parts[0] + [token for part in parts[1:] for token in part[1:]] == ids
    assert [part[0] for part in parts[1:]] == [part[-1] for part in parts[:-1]]
    assert sum(len(part) - 1 for part in parts) == length - 1
    sizes = [len(part) for part in parts]
    assert max(sizes) <= tokens and max(sizes) - min(sizes) <= 1


def test_a_text_that_fits_is_one_window():
    assert windows(list(range(18)), 18) == [list(range(18))]
    assert windows(list(range(19)), 18) == [list(range(9 + 1)), list(range(9, 19))]
