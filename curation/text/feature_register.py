"""Rates of English words that tell registers: how sure, polite, casual, learned, legal or technical a text is.

And words of time, number and measure. Open classes, so each list is a sample of usual words that are seldom used
otherwise, not all there are: its rate ranks texts, and compares one set of texts with another.
"""

from __future__ import annotations

from curation.text.feature_types import Feature, WordList

HYLAND = "Hyland 2005, Metadiscourse: exploring interaction in writing"
BIBER = "Biber 1988, Variation across speech and writing"


def words_of(name: str, group: str, what: str, words: str, names: str = "", source: str = "") -> WordList:
    """The rate of the words of a list."""
    size = len(set(words.split()) | set(names.split()))
    return WordList(
        Feature(name, group, "per 1,000 words", f"{what}, {size} entries, per 1,000 words.", source), words, names
    )


def register(name: str, what: str, words: str, source: str = "") -> WordList:
    """A list of the group "register"."""
    return words_of(name, "register", what, words, source=source)


REGISTERS = (
    register(
        "hedge_rate",
        "Hedges, such as perhaps, seems, sort of",
        """perhaps maybe possibly probably apparently seemingly presumably supposedly arguably roughly approximately
        somewhat fairly rather quite seem seems seemed appear appears appeared suggest suggests suggested likely
        unlikely usually generally often sometimes almost about may might could sort_of kind_of in_general
        more_or_less""",
        HYLAND,
    ),
    register(
        "booster_rate",
        "Boosters, such as clearly, certainly, of course",
        """clearly certainly definitely obviously undoubtedly absolutely surely indeed truly really very extremely
        highly completely totally entirely always never must prove proves proved undeniably of_course no_doubt
        in_fact without_doubt""",
        HYLAND,
    ),
    register(
        "politeness_rate",
        "Words of courtesy, such as please, thanks, sorry",
        "please thanks thank sorry welcome excuse pardon kindly appreciate grateful apologise apologize apologies",
    ),
    register(
        "informal_rate",
        "Casual words, such as yeah, gonna, awesome",
        """yeah yep yup nope nah ok okay hey hi hello bye wow oh ah uh um hmm huh oops ugh gonna wanna gotta kinda
        sorta dunno lemme gimme cuz cause cool awesome guys guy stuff yay haha hahaha lol""",
    ),
    register(
        "chat_slang_rate",
        "Slang of the net, such as lol, btw, imho",
        """lol lmao rofl omg btw imo imho fyi idk tbh ikr smh brb thx pls plz ur bff dm irl afaik tldr noob meme
        selfie bro dude sus lit fam vibe vibes yolo""",
    ),
    register(
        "academic_rate",
        "Learned words, such as hypothesis, methodology, et al",
        """analysis analyses analyze analyzed analyse analysed hypothesis hypotheses theory theories theoretical
        methodology method methods data dataset empirical evidence significant significantly correlation variable
        variables parameter parameters experiment experiments experimental results findings literature framework
        conceptual abstract figure table respectively whereby thereby study studies research researchers et_al""",
    ),
    register(
        "legal_rate",
        "Words of law and contracts, such as hereby, plaintiff, pursuant to",
        """hereby herein hereto hereunder hereinafter thereof therein thereto whereas aforementioned pursuant
        notwithstanding plaintiff plaintiffs defendant defendants appellant statute statutes statutory liable
        liability indemnify indemnification jurisdiction clause provision provisions shall warrant warranty
        warranties breach tort affidavit court courts attorney attorneys lawsuit litigation contract contracts
        agreement""",
    ),
    register(
        "speech_verb_rate",
        "Verbs that report speech, such as said, asked, told",
        """said says say saying told tell tells asked asks replied answered whispered shouted cried exclaimed
        muttered announced stated added explained claimed""",
        BIBER,
    ),
    register(
        "narrative_past_rate",
        "Past forms usual in stories, such as went, looked, turned",
        """said went came looked turned walked stood sat thought knew felt saw heard took began smiled nodded
        laughed ran opened closed pulled pushed stared waited""",
        BIBER,
    ),
    register(
        "private_verb_rate",
        "Verbs of thought and feeling, such as think, know, hope",
        """think thinks thought know knows knew feel feels felt believe believes believed hope hopes hoped want
        wants wanted wish remember understand guess suppose imagine doubt love hate""",
        BIBER,
    ),
    register(
        "commerce_rate",
        "Words of shops and advertising, such as buy, price, shipping",
        """buy sale sales price prices discount discounts shipping order orders cart checkout deal deals offer
        offers free customer customers product products shop store warranty refund delivery brand subscribe coupon""",
    ),
    register(
        "page_furniture_rate",
        "Words of web pages about themselves, such as login, cookies, comments",
        """login logout cookie cookies click menu navigation homepage sitemap newsletter comments comment subscribe
        username password copyright download upload website webpage link links search faq privacy_policy
        terms_of_service all_rights_reserved read_more sign_up sign_in log_in""",
    ),
)


TECHNICAL = (
    words_of(
        "code_keyword_rate",
        "technical",
        "Keywords of programming languages, such as def, elif, const",
        """def elif const int bool char struct enum void null nullptr nil printf println stdout stdin argv argc
        async await lambda foreach endif ifdef typedef sizeof malloc boolean str len init func fn impl mut var elsif
        println namespace iostream stdio foo args kwargs href div""",
    ),
    words_of(
        "computing_rate",
        "technical",
        "Words of computing, such as software, server, algorithm",
        """software hardware server servers algorithm algorithms database databases api compiler linux windows
        browser html css javascript python java internet online computer computers app apps code file files user
        users network networks program programming""",
    ),
)

TIME = "time and number"
TIMES = (
    words_of("month_rate", TIME, "Months; May, March, August and abbreviations only with a capital",
             "january february april june july september october november december",
             "May March August Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"),
    words_of("weekday_rate", TIME, "Days of the week",
             "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays "
             "saturdays sundays weekend weekends"),
    words_of("relative_time_rate", TIME, "Words of time seen from now, such as today, ago, last year",
             "today tomorrow yesterday tonight now ago recently currently nowadays soon last_year last_week "
             "last_month next_year next_week next_month this_year this_week this_month"),
    words_of("time_unit_rate", TIME, "Units of time, such as hour, weeks, decade",
             "second seconds minute minutes hour hours day days week weeks month months year years decade decades "
             "century centuries o'clock am pm"),
    words_of("measure_unit_rate", TIME, "Units of measure, such as km, pounds, litres",
             "mm cm km kilometre kilometres kilometer kilometers metre metres meter meters mile miles inch inches ft "
             "yard yards acre acres hectare hectares kg kilogram kilograms gram grams lb lbs pound pounds ounce "
             "ounces oz ton tons tonne tonnes litre litres liter liters ml gallon gallons mph kmh celsius fahrenheit "
             "watt watts kw mw volt volts hz mhz ghz mb gb tb percent"),
    words_of("number_word_rate", TIME, "Numbers in words, such as three, dozen, million",
             "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
             "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand "
             "thousands million millions billion billions trillion dozen dozens"),
    words_of("ordinal_rate", TIME, "Ordinal numbers in words, such as first, third, last",
             "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth twentieth last"),
    words_of("money_word_rate", TIME, "Words of money, such as dollars, euros, cents",
             "dollar dollars euro euros cent cents pence yen yuan rupee rupees peso pesos usd eur gbp money"),
)  # fmt: skip

LISTS = REGISTERS + TECHNICAL + TIMES
