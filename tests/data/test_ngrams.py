import pytest

from unlearning_robustness.data.ngrams import characteristic, common, ngrams
from unlearning_robustness.errors import DataError

FORGET = ["The noble gas is inert.", "A noble gas, they say", "noble gas of the air", "the sea"]
RETAIN = ["the people of the sea", "The sea is wide", "the gas bill", "the law of the sea"]


def test_ngrams_do_not_cross_punctuation_and_ignore_case():
    assert ngrams("The gas. Ends, it's") == ["the", "gas", "the gas", "ends", "it's"]


def test_what_only_the_forget_texts_say_comes_first():
    top = characteristic(FORGET, RETAIN, 3)
    assert top[:2] == ["noble", "noble gas"] and top[2] == "gas"


def test_words_of_both_are_never_characteristic():
    with pytest.raises(DataError, match="have 3 characteristic n-grams, not 9: lower"):
        characteristic(FORGET, RETAIN, 9)


def test_neutral_ngrams_stand_in_more_than_one_text():
    grams = common(RETAIN)
    assert "the sea" in grams and "of the" in grams and "bill" not in grams and grams == sorted(grams)


SCRIPTS = {
    "Größe über alles: ärgerlich": ["größe", "über", "größe über", "alles", "über alles", "ärgerlich"],
    "Москва — столица": ["москва", "столица"],
    "l'été, déjà": ["l'été", "déjà"],
    "氧气，气体": ["氧", "气", "氧气", "气", "体", "气体"],
    "กิน": ["กิ", "น", "กิน"],
    "हिन्दी भाषा": ["हिन्दी", "भाषा", "हिन्दी भाषा"],
    "한국어 말": ["한국어", "말", "한국어 말"],
    "Tokyo東京": ["tokyo", "東", "京", "tokyo 東", "東京"],
    "e\u0301te\u0301": ["été"],
    "a1b 2": ["a", "b"],
}


@pytest.mark.parametrize("text", SCRIPTS)
def test_words_of_every_script_count_and_scripts_without_spaces_by_letters(text):
    assert sorted(ngrams(text)) == sorted(SCRIPTS[text])


def test_german_texts_have_characteristic_words_whole():
    forget = [f"Das Gerät {name} übermäßig" for name in ("heizt", "kühlt", "läuft")]
    retain = ["Das Wetter ist schön", "Das Haus ist groß", "Ein Fluss fließt"]
    assert characteristic(forget, retain, 3) == ["das gerät", "gerät", "übermäßig"]
