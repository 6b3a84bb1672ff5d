"""Rates of English function words, by class.

Closed classes, so the lists are nearly complete; but a form that is in several classes counts in each of them ("that"
is a demonstrative and a conjunction), because no sentence is parsed. Function words tell genres and authors apart
where topics do not (Mosteller and Wallace 1964; Biber 1988).
"""

from __future__ import annotations

from curation.text.feature_types import Feature, WordList

BIBER = "Biber 1988, Variation across speech and writing"


def function_words(name: str, what: str, words: str, source: str = "") -> WordList:
    """The rate of a class of function words."""
    formula = f"{what}, {len(set(words.split()))} entries, per 1,000 words."
    return WordList(Feature(name, "function words", "per 1,000 words", formula, source), words)


LISTS = (
    function_words("definite_article_rate", "The definite article the", "the"),
    function_words("indefinite_article_rate", "The indefinite articles a and an", "a an"),
    function_words(
        "preposition_rate",
        "Prepositions, such as of, in, between",
        """about above across after against along among amongst around at before behind below beneath beside besides
        between beyond by despite down during except for from in inside into near of off on onto out outside over
        past per since through throughout till to toward towards under underneath until unto up upon via with within
        without""",
    ),
    function_words("coordinator_rate", "Coordinating conjunctions, such as and, or, but", "and or but nor yet so"),
    function_words(
        "subordinator_rate",
        "Subordinating conjunctions, such as because, although, if",
        """because although though if unless while whilst whereas since until till that whether lest provided as
        even_though as_if as_though so_that in_case""",
        BIBER,
    ),
    function_words(
        "connective_rate",
        "Connectives between sentences, such as however, therefore, for example",
        """however therefore thus moreover furthermore nevertheless nonetheless hence consequently accordingly
        meanwhile otherwise instead likewise similarly additionally conversely besides firstly secondly thirdly
        finally for_example for_instance in_addition in_contrast in_fact as_a_result on_the_other_hand
        in_other_words""",
        BIBER,
    ),
    function_words("first_person_singular_rate", "Pronouns of the first person singular", "i me my mine myself", BIBER),
    function_words(
        "first_person_plural_rate", "Pronouns of the first person plural", "we us our ours ourselves", BIBER
    ),
    function_words(
        "second_person_rate",
        "Pronouns of the second person",
        "you your yours yourself yourselves thou thee thy thine ya y'all",
        BIBER,
    ),
    function_words(
        "third_person_rate",
        "Personal pronouns of the third person",
        """he him his himself she her hers herself it its itself they them their theirs themselves themself""",
        BIBER,
    ),
    function_words(
        "reflexive_rate",
        "Reflexive pronouns",
        "myself yourself himself herself itself ourselves yourselves themselves themself oneself",
    ),
    function_words(
        "indefinite_pronoun_rate",
        "Indefinite pronouns, such as someone, nothing",
        """someone somebody something anyone anybody anything everyone everybody everything nobody nothing none one
        ones no_one""",
        BIBER,
    ),
    function_words("demonstrative_rate", "Demonstratives: this, that, these, those", "this that these those", BIBER),
    function_words(
        "wh_word_rate",
        "Wh-words, such as who, which, when",
        "who whom whose which what when where why how whoever whatever whichever whenever wherever however",
    ),
    function_words(
        "quantifier_rate",
        "Quantifiers, such as all, some, many, a few",
        """all some any many much most more few fewer several every each both enough little less least plenty half
        no either neither various numerous a_lot lots_of""",
    ),
    function_words(
        "be_rate",
        "Forms of be, contracted with not too",
        """be am is are was were been being isn't aren't wasn't weren't ain't it's that's there's i'm you're we're
        they're""",
    ),
    function_words(
        "have_rate",
        "Forms of have, contracted with not too",
        "have has had having haven't hasn't hadn't i've you've we've they've",
    ),
    function_words("do_rate", "Forms of do, contracted with not too", "do does did done doing don't doesn't didn't"),
    function_words(
        "modal_rate",
        "Modal verbs, such as can, must, would",
        """can could may might must shall should will would ought cannot can't couldn't mightn't mustn't shan't
        shouldn't won't wouldn't needn't""",
        BIBER,
    ),
    function_words(
        "negation_rate",
        "Negations, such as not, never, don't",
        """not no never none nor neither nothing nobody nowhere cannot can't couldn't mightn't mustn't shan't
        shouldn't won't wouldn't needn't isn't aren't wasn't weren't ain't haven't hasn't hadn't don't doesn't
        didn't without""",
        BIBER,
    ),
    function_words(
        "existential_there_rate",
        "There followed by a form of be",
        "there_is there_are there_was there_were there_be there_isn't there_aren't there's",
        BIBER,
    ),
)
