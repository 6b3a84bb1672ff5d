"""Hand-made texts with values that can be counted by eye, some of every group."""

from math import log, log2, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.text.feature_lexical import WINDOW, moving_type_token_ratio
from curation.text.feature_readability import form
from curation.text.feature_types import read
from curation.text.features import FEATURES, measure
from curation.text.wordlists import LISTS as WORD_LISTS
from curation.text.wordlists import indexes

NAMES = [feature.name for feature in FEATURES]


def value(name, text):
    return float(measure([text])[0, NAMES.index(name)])


CHARACTERS = [
    ("letter_share", "ab1 ", 0.5),
    ("upper_case_share", "Ab Éé Жж 1", 0.5),
    ("upper_case_share", "123", nan),
    ("digit_share", "12ab", 0.5),
    ("other_number_share", "½ab²", 0.5),
    ("punctuation_share", "a,b.", 0.5),
    ("symbol_share", "a+b€", 0.5),
    ("white_space_share", "a \t\n", 0.75),
    ("white_space_share", "a\u00a0", 0.5),
    ("non_ascii_share", "aéb—", 0.5),
    ("control_share", "a\x00\t\n", 0.25),
    ("format_character_share", "a\u200db\u200b", 0.5),
    ("combining_mark_share", "q\u0301", 0.5),
    ("unassigned_share", "a\ue000", 0.5),
    ("emoji_share", "a😀✂☀", 0.75),
    ("accented_latin_share", "née", 1 / 3),
    ("latin_share", "aé 12 Ж日", 0.5),
    ("cyrillic_share", "Жук ab", 0.6),
    ("greek_share", "αβ ab", 0.5),
    ("hebrew_share", "שלום", 1.0),
    ("arabic_share", "مرحبا", 1.0),
    ("devanagari_share", "हिन्दी", 1.0),
    ("thai_share", "ไทย a", 0.75),
    ("hangul_share", "한국 ab", 0.5),
    ("hiragana_share", "ひらカ漢", 0.5),
    ("katakana_share", "ひらカ漢", 0.25),
    ("han_share", "ひらカ漢", 0.25),
    ("other_script_share", "ᚠᚢ ab", 0.5),
    ("comma_rate", "a,b、", 500),
    ("double_quote_rate", "“a”", 2000 / 3),
    ("apostrophe_rate", "it’s", 250),
    ("dash_rate", "a—b-", 250),
    ("hyphen_rate", "a—b-", 250),
    ("parenthesis_rate", "(a)b", 500),
    ("question_mark_rate", "¿a?", 2000 / 3),
    ("ellipsis_rate", "a.... b…", 250),
    ("repeated_mark_rate", "a!? b!", 1000 / 6),
    ("slash_rate", "a/b\\", 500),
    ("brace_rate", "{ab}", 500),
    ("percent_sign_rate", "5 %!", 250),
    ("currency_sign_rate", "$5 €", 500),
    ("mathematical_sign_rate", "a<=b", 500),
]
LAYOUT = "# Title\n\nFirst line.\nA heading\n- item one\n1. item two\n  indented;\n| a | b |\nFirst line.\n"
STRUCTURE = [
    ("characters", "née", 3),
    ("words", "Don't stop, well-known naïve_x 3rd", 7),
    ("sentences", "One. Two! Three? 3.5 four\n\nFive", 5),
    ("sentences", "他说。我们！好", 3),
    ("mean_sentence_length", "One two three. Four.", 2),
    ("sentence_length_spread", "One two three. Four.", 1),
    ("longest_sentence", "One two three. Four.", 3),
    ("paragraphs", "a\nb\n \n\nc\n", 2),
    ("mean_paragraph_length", "a b\nc\n\nd", 2),
    ("lines", "a\n\nb\n", 3),
    ("mean_line_length", "ab\ncd\n", 2),
    ("blank_line_share", LAYOUT, 1 / 9),
    ("list_line_share", LAYOUT, 2 / 8),
    ("heading_line_share", LAYOUT, 2 / 8),
    ("indented_line_share", LAYOUT, 1 / 8),
    ("table_line_share", LAYOUT, 1 / 8),
    ("duplicate_line_share", LAYOUT, 1 / 8),
    ("line_end_semicolon_share", LAYOUT, 1 / 8),
    ("unfinished_line_share", LAYOUT, 6 / 8),
]
#: 8 words, 5 different: a three times, saw twice, the, cat and dog once.
FIVE = "The cat saw a dog, a saw, a"
LEXICAL = [
    ("type_token_100", "a b " * 50, 0.02),
    ("type_token_100", "a b " * 49, nan),
    ("moving_type_token_50", "a b " * 30, 0.04),
    ("hapax_share", FIVE, 3 / 8),
    ("herdan_c", FIVE, log(5) / log(8)),
    ("herdan_c", "one", nan),
    ("guiraud_r", FIVE, 5 / sqrt(8)),
    ("yule_k", FIVE, 1e4 * (3 * 1 + 1 * 4 + 1 * 9 - 8) / 64),
    ("simpson_d", FIVE, (2 + 6) / 56),
    ("word_entropy", FIVE, 3 / 8 * 3 + 2 / 8 * 2 - 3 / 8 * log2(3 / 8)),
    ("honore_r", FIVE, 100 * log(8) / (1 - 3 / 5)),
    ("honore_r", "all of these differ", nan),
    ("dis_legomena_share", FIVE, 1 / 5),
    ("repeated_pair_share", "to be or not to be", 1 / 5),
    ("mean_word_length", "a bcd", 2),
    ("word_length_spread", "a bcd", 1),
    ("long_word_share", "longer longest", 0.5),
]
#: 12 words, 2 sentences, 39 letters, 15 syllables; one word of three syllables and more than six letters.
EASY = "The cat sat on the mat. It was a very wonderful day."
READABILITY = [
    ("syllables_per_word", EASY, 15 / 12),
    ("polysyllable_share", EASY, 1 / 12),
    ("flesch_reading_ease", EASY, 206.835 - 1.015 * 6 - 84.6 * 15 / 12),
    ("flesch_kincaid_grade", EASY, 0.39 * 6 + 11.8 * 15 / 12 - 15.59),
    ("gunning_fog", EASY, 0.4 * (6 + 100 / 12)),
    ("smog", EASY, 1.0430 * sqrt(30 / 2) + 3.1291),
    ("coleman_liau", EASY, 5.88 * 39 / 12 - 29.6 * 2 / 12 - 15.8),
    ("automated_readability", EASY, 4.71 * 39 / 12 + 0.5 * 6 - 21.43),
    ("lix", EASY, 6 + 100 / 12),
    ("rix", EASY, 0.5),
    ("nominalisation_rate", "Kindness and payments by a city nation", 3000 / 7),
    ("ly_adverb_rate", "A family quickly went early", 200),
    ("elongated_word_rate", "sooo www XXX iii good", 200),
]
PATTERNS = [
    ("question_share", 'Is it? "Really?" No. Yes', 0.5),
    ("exclamation_share", "Go! Now.", 0.5),
    ("imperative_share", "Click here. You click. Don't go.", 2 / 3),
    ("capitals_word_rate", "NASA and I saw IBM", 400),
    ("capitalised_word_share", "Ann and Bob", 2 / 3),
    ("contraction_rate", "I'm sure it's Ann's, don't ask", 500),
    ("passive_rate", "It was not seen. He is quickly fed. She was red. We were asked", 3000 / 14),
    ("camel_case_rate", "an iPhone and getName", 500),
    ("one_letter_word_share", "a x I b", 0.5),
    ("snake_case_rate", "my_var_x _a b__", 1000 / 15),
    ("latex_command_rate", "\\frac \\\\x", 2000 / 9),
    ("html_tag_rate", "<b>a</b> 1 < 2 > 1", 2000 / 18),
    ("url_rate", "http://www.a.b www.c.d wwww.e", 2000 / 29),
    ("email_rate", "a.b@c.de @me a@b", 1000 / 16),
    ("hashtag_rate", "#tag a#b # c #1", 1000 / 15),
    ("mention_rate", "@me a@b.c", 1000 / 9),
    ("number_rate", "1 2.5 3,000 a4", 4000 / 14),
    ("year_rate", "1999 2100 1899 in 2024.", 2000 / 23),
    ("four_digit_rate", "1999 2100 1899 12345", 2000 / 20),
    ("decimal_rate", "2.5 3,1 1.2.3", 2000 / 13),
    ("date_rate", "2020-01-02 1/2/1999 1.2.3 1-2/2000", 2000 / 34),
    ("clock_time_rate", "9:30 23:59:59 24:00 9:3", 2000 / 23),
]
LISTS = [
    ("english_stop_word_share", "The cat and the dog", 0.6),
    ("german_stop_word_share", "Der Hund und die Katze", 0.6),
    ("french_stop_word_share", "l'homme et la mer", 0.75),
    ("russian_stop_word_share", "это не дом", 2 / 3),
    ("hindi_stop_word_share", "यह एक घर है", 0.75),
    ("definite_article_rate", "The end of the day", 400),
    ("preposition_rate", "in the house of Ann", 400),
    ("connective_rate", "for example, on the other hand", 2000 / 6),
    ("first_person_singular_rate", "I'm here with my dog", 400),
    ("second_person_rate", "You and yours", 2000 / 3),
    ("be_rate", "I'm here, she was there", 400),
    ("modal_rate", "I can't go, he should", 400),
    ("negation_rate", "I don't never go", 500),
    ("existential_there_rate", "There is a cat there", 200),
    ("hedge_rate", "Perhaps sort of red", 500),
    ("booster_rate", "Of course it is clearly so", 2000 / 6),
    ("legal_rate", "The plaintiff hereby sues", 500),
    ("speech_verb_rate", '"No," she said.', 1000 / 3),
    ("page_furniture_rate", "Read more: login", 2000 / 3),
    ("code_keyword_rate", "def f(int x)", 500),
    ("month_rate", "In May and MAY I may march", 2000 / 7),
    ("weekday_rate", "on monday or Tuesday", 500),
    ("measure_unit_rate", "5km or 3 miles", 2000 / 3),
    ("number_word_rate", "two or three", 2000 / 3),
    ("country_europe_rate", "Germany's France, FRANCE, france", 750),
    ("country_north_america_rate", "the U.S. and us in the US", 250),
    ("country_latin_america_rate", "New Mexico is not Mexico", 200),
    ("us_state_rate", "New Mexico's West Virginia", 500),
    ("country_east_asia_rate", "my china is from China", 200),
    ("nationality_europe_rate", "Polish your Polish boots, polish", 400),
    ("nationality_east_asia_rate", "a South Korean and Chinese", 400),
    ("large_city_rate", "from New York to Rio de Janeiro", 2000 / 7),
    ("continent_rate", "Asia and South America", 500),
    ("female_pronoun_rate", "She's with her", 2000 / 3),
    ("male_pronoun_rate", "He'll see him", 2000 / 3),
    ("female_title_rate", "Mrs. Smith and Miss Lee miss", 2000 / 6),
    ("child_rate", "a child's kids", 2000 / 3),
    ("elderly_rate", "the elderly", 500),
    ("parent_rate", "mother and dad", 2000 / 3),
    ("islam_rate", "a mosque, the Qur'an", 500),
    ("judaism_rate", "Yom Kippur", 500),
    ("health_occupation_rate", "nurses and doctors", 2000 / 3),
    ("disability_rate", "she uses sign language", 250),
    ("lgbtq_rate", "a non-binary person", 250),
    ("black_people_rate", "African American art", 1000 / 3),
    ("nationality_north_america_rate", "African American art", 0),
    ("poverty_rate", "homeless and poor", 2000 / 3),
]


@pytest.mark.parametrize(
    ("name", "text", "expected"), [*CHARACTERS, *STRUCTURE, *LEXICAL, *READABILITY, *PATTERNS, *LISTS]
)
def test_values_by_hand(name, text, expected):
    assert value(name, text) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


def test_every_group_has_values_by_hand():
    groups = {feature.name: feature.group for feature in FEATURES}
    cases = [*CHARACTERS, *STRUCTURE, *LEXICAL, *READABILITY, *PATTERNS, *LISTS]
    assert {groups[name] for name, _, _ in cases} == set(groups.values())


@given(st.lists(st.sampled_from("abcdefgh"), max_size=130))
def test_the_moving_ratio_is_the_mean_over_all_windows(words):
    windows = [words[start : start + WINDOW] for start in range(len(words) - WINDOW + 1)]
    expected = np.mean([len(set(window)) / WINDOW for window in windows]) if windows else nan
    assert moving_type_token_ratio(words) == pytest.approx(expected, nan_ok=True)


@given(st.text(alphabet="ab. !?\n\"'’é\u0301", max_size=100))
def test_the_words_of_the_sentences_are_the_words_of_the_text(text):
    excerpt = read(text)
    assert sum(excerpt.lengths) == len(excerpt.words) == len(excerpt.tokens) == excerpt.counts.total()
    assert len(excerpt.lengths) == len(excerpt.starts) == len(excerpt.ends)
    assert all(excerpt.lengths)
    assert [token.lower() for token in excerpt.tokens] == excerpt.words


NAME_PARTS = sorted(
    {part for each in WORD_LISTS for name in each.names.split() if "_" in name for part in name.split("_")}
)


@given(
    st.lists(
        st.sampled_from(["American", "Indian", "South", "Korea", "Mexico", "New", "City", *NAME_PARTS]), max_size=30
    )
)
def test_a_name_inside_a_longer_name_is_never_taken_back_twice(names):
    totals = [0] * len(WORD_LISTS)
    index, excerpt = indexes()[1], read(" ".join(names))
    index.count_words(excerpt.named, totals)
    index.count_phrases(excerpt.tokens, totals)
    assert min(totals) >= 0


def test_overlapping_names_count_from_the_left():
    assert value("country_east_asia_rate", "North Korea Korea") == pytest.approx(2000 / 3)
    assert value("nationality_south_asia_rate", "American Indian American") == 0
    assert value("indigenous_rate", "American Indian American") == pytest.approx(1000 / 3)
    assert value("asian_american_rate", "American Indian American") == 0


@pytest.mark.parametrize(
    ("word", "syllables"),
    [("make", 1), ("table", 2), ("the", 1), ("wonderful", 3), ("information", 4), ("été", 2), ("шкаф", 1), ("nth", 1)],
)
def test_syllables_by_rule(word, syllables):
    assert form(word)[0] == syllables
