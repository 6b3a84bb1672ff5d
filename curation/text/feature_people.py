"""Rates of words about people: gender, age, family, religion, work, health, origin, wealth.

They are neutral counts for asking who is spoken of in a corpus, and whether sampling changed that. A rate says that
words were used, not what was said with them, nor about whom: no text and no person is judged by it. The lists hold
plain English words for each group, as a dictionary would use them, no slurs, and are samples: compare the rate of one
list in two sets of texts, not two lists with each other.
"""

from __future__ import annotations

from curation.text.feature_types import Feature, WordList


def people(name: str, what: str, words: str, names: str = "") -> WordList:
    """The rate of a list of words about people."""
    size = len(set(words.split()) | set(names.split()))
    return WordList(
        Feature(name, "people", "per 1,000 words", f"{what}, {size} entries, per 1,000 words."), words, names
    )


GENDER = (
    people("female_pronoun_rate", "Pronouns she, her, hers, herself", "she her hers herself"),
    people("male_pronoun_rate", "Pronouns he, him, his, himself", "he him his himself"),
    people(
        "they_rate",
        "Pronouns they, them, their, theirs, themselves, themself, plural or singular alike",
        "they them their theirs themselves themself",
    ),
    people(
        "female_noun_rate",
        "Nouns for women and girls, such as woman, girl, queen",
        """woman women girl girls lady ladies female females gal queen queens princess princesses actress actresses
        businesswoman businesswomen chairwoman congresswoman heroine goddess housewife""",
    ),
    people(
        "male_noun_rate",
        "Nouns for men and boys, such as man, boy, king",
        """man men boy boys gentleman gentlemen male males lad lads king kings prince princes actor businessman
        businessmen chairman congressman god househusband""",
    ),
    people(
        "female_title_rate", "Titles of women, such as Mrs, Miss, Dame", "mrs ms madam ma'am", "Miss Dame Lady Queen"
    ),
    people("male_title_rate", "Titles of men, such as Mr, Sir, Lord", "mr sir", "Lord King Mister"),
    people("neutral_title_rate", "Titles without gender, such as Dr, Professor, Mx", "mx dr prof", "Professor Doctor"),
    people(
        "lgbtq_rate",
        "Words for sexual orientation and gender identity, such as gay, lesbian, transgender",
        """gay gays lesbian lesbians bisexual bisexuals transgender transsexual queer lgbt lgbtq lgbtqi homosexual
        homosexuals homosexuality heterosexual heterosexuals heterosexuality nonbinary cisgender asexual intersex
        non_binary same_sex sexual_orientation gender_identity""",
    ),
)
AGE_AND_FAMILY = (
    people("baby_rate", "Words for babies, such as infant, newborn, toddler",
           "baby babies infant infants newborn newborns toddler toddlers"),
    people("child_rate", "Words for children, such as child, kids, pupil",
           "child children kid kids childhood preschool preschooler kindergarten pupil pupils schoolchildren"),
    people("youth_rate", "Words for the young, such as teenager, youth, student",
           "teen teens teenager teenagers teenage youth youths adolescent adolescents adolescence student students "
           "young younger"),
    people("adult_rate", "Words for adults, such as adult, grown-up, middle-aged",
           "adult adults adulthood grownup grownups grown_up grown_ups middle_aged"),
    people("elderly_rate", "Words for the old, such as elderly, senior, retired",
           "elderly senior seniors retiree retirees pensioner pensioners retired retirement elders aged old_age"),
    people("parent_rate", "Words for parents, such as mother, dad, parents",
           "parent parents mother mothers father fathers mom moms mum mums dad dads mommy mummy daddy stepmother "
           "stepfather parenthood motherhood fatherhood"),
    people("kin_rate", "Words for other kin, such as brother, aunt, cousin",
           "brother brothers sister sisters sibling siblings son sons daughter daughters uncle uncles aunt aunts "
           "cousin cousins nephew nephews niece nieces grandmother grandmothers grandfather grandfathers grandma "
           "grandpa grandparent grandparents grandson granddaughter grandchildren family families relatives"),
    people("partner_rate", "Words for couples and marriage, such as wife, husband, spouse",
           "wife wives husband husbands spouse spouses girlfriend boyfriend fiancé fiancée bride groom marriage "
           "married marry wedding divorce divorced widow widower"),
)  # fmt: skip
RELIGION = (
    people("religion_rate", "Words for religion at large, such as faith, prayer, worship",
           "religion religions religious faith faiths prayer prayers pray worship sacred holy spiritual theology "
           "clergy ritual rituals secular atheist atheists atheism agnostic"),
    people("christianity_rate", "Words of Christianity, such as church, Jesus, gospel",
           "christian christians christianity jesus christ church churches bible biblical gospel gospels catholic "
           "catholics protestant protestants baptist methodist lutheran evangelical evangelicals pope priest priests "
           "bishop bishops pastor pastors easter christmas baptism orthodox_church"),
    people("islam_rate", "Words of Islam, such as mosque, Quran, Ramadan",
           "islam islamic muslim muslims moslem mosque mosques quran koran qur'an allah muhammad ramadan imam imams "
           "hijab sunni shia shiite sharia hadith eid mecca"),
    people("judaism_rate", "Words of Judaism, such as synagogue, Torah, rabbi",
           "judaism jewish jew jews synagogue synagogues torah rabbi rabbis talmud hanukkah passover kosher shabbat "
           "sabbath yom_kippur bar_mitzvah"),
    people("hinduism_rate", "Words of Hinduism, such as Vedas, Krishna, Diwali",
           "hinduism hindu hindus vedas vedic upanishads krishna vishnu shiva brahma brahmin diwali holi karma dharma "
           "bhagavad ramayana mahabharata"),
    people("buddhism_rate", "Words of Buddhism, such as Buddha, nirvana, sutra",
           "buddhism buddhist buddhists buddha nirvana sutra sutras zen dalai_lama bodhisattva mahayana theravada "
           "sangha"),
    people("other_religion_rate", "Words of other religions, such as Sikh, Taoism, Mormon",
           "sikh sikhs sikhism gurdwara jain jains jainism taoism taoist daoism daoist confucian confucianism shinto "
           "bahai baha'i zoroastrian zoroastrianism pagan pagans paganism wicca mormon mormons"),
)  # fmt: skip
WORK = (
    people("health_occupation_rate", "Occupations in health, such as nurse, surgeon, dentist",
           "doctor doctors physician physicians nurse nurses surgeon surgeons dentist dentists pharmacist pharmacists "
           "psychologist psychologists psychiatrist therapist therapists paramedic midwife caregiver caregivers"),
    people("teaching_occupation_rate", "Occupations in teaching and science, such as teacher, professor, scientist",
           "teacher teachers professor professors lecturer lecturers tutor tutors principal scientist scientists "
           "researcher researchers librarian librarians economist historian historians"),
    people("technical_occupation_rate", "Occupations in engineering and computing, such as engineer, programmer",
           "engineer engineers programmer programmers developer developers architect architects technician "
           "technicians analyst analysts designer designers"),
    people("manual_occupation_rate", "Occupations of hand and service, such as farmer, driver, cook",
           "farmer farmers driver drivers carpenter carpenters plumber plumbers electrician electricians mechanic "
           "mechanics builder builders miner miners fisherman cleaner cleaners waiter waiters waitress cook chef "
           "chefs baker butcher barber hairdresser tailor cashier clerk clerks"),
    people("office_occupation_rate", "Occupations of business and law, such as manager, lawyer, accountant",
           "manager managers executive executives ceo director directors secretary accountant accountants banker "
           "bankers lawyer lawyers attorney attorneys judge judges consultant consultants entrepreneur entrepreneurs"),
    people("public_occupation_rate", "Occupations of state and army, such as minister, soldier, police officer",
           "politician politicians senator senators minister ministers mayor governor president ambassador soldier "
           "soldiers officer officers policeman policewoman firefighter firefighters police sheriff general colonel"),
    people("creative_occupation_rate", "Occupations of the arts, sport and press, such as writer, singer, journalist",
           "writer writers author authors poet poets artist artists painter painters singer singers musician "
           "musicians actor actors actress dancer dancers director photographer journalist journalists editor editors "
           "reporter reporters athlete athletes coach player players"),
)  # fmt: skip
CIRCUMSTANCES = (
    people("illness_rate", "Words of illness and care, such as disease, hospital, cancer",
           "disease diseases illness illnesses sick patient patients hospital hospitals clinic cancer diabetes "
           "infection virus symptoms symptom treatment diagnosis diagnosed medicine medication surgery pain"),
    people("disability_rate", "Words for disability, such as wheelchair, deaf, autism",
           "disability disabilities disabled wheelchair wheelchairs deaf blind deafness blindness impairment "
           "impairments impaired autism autistic dyslexia down_syndrome cerebral_palsy accessibility braille "
           "sign_language special_needs"),
    people("mental_health_rate", "Words of mental health, such as depression, anxiety, therapy",
           "depression depressed anxiety anxious schizophrenia bipolar ptsd adhd ocd therapy psychiatric "
           "psychological suicide suicidal trauma addiction mental_health mental_illness eating_disorder"),
    people("ethnicity_rate", "Words for origin at large, such as ethnic, racial, minority",
           "ethnic ethnicity ethnicities race races racial racism racist minority minorities multicultural diversity "
           "multiracial biracial people_of_color people_of_colour"),
    people("black_people_rate", "Words for Black people, such as African American, Black community",
           "black_people black_person black_man black_men black_woman black_women black_community black_communities "
           "black_americans black_american black_students afro_american",
           "African_American African_Americans Afro_Caribbean Black_British Blacks"),
    people("white_people_rate", "Words for White people, such as Caucasian, white man",
           "caucasian caucasians white_people white_person white_man white_men white_woman white_women "
           "white_community white_communities white_americans white_american white_students",
           "European_American European_Americans"),
    people("asian_american_rate", "Words for people of Asian origin, such as Asian American",
           "", "Asian_American Asian_Americans Asian_Pacific AAPI Chinese_American Chinese_Americans "
               "Japanese_American Japanese_Americans Korean_American Korean_Americans Indian_American "
               "Indian_Americans British_Asian"),
    people("hispanic_rate", "Words for people of Latin American origin, such as Hispanic, Latina",
           "hispanic hispanics latino latinos latina latinas latinx chicano chicanos chicana",
           "Mexican_American Mexican_Americans Cuban_American Cuban_Americans"),
    people("indigenous_rate", "Words for indigenous peoples, such as Native American, Māori, Inuit",
           "indigenous aboriginal aboriginals aborigine aborigines inuit māori maori sami navajo cherokee sioux "
           "apache tribe tribes tribal first_nations torres_strait",
           "Native_American Native_Americans American_Indian American_Indians Alaska_Native Alaska_Natives"),
    people("migration_rate", "Words of migration, such as immigrant, refugee, visa",
           "immigrant immigrants immigration migrant migrants migration refugee refugees asylum undocumented "
           "deportation deported citizenship visa visas diaspora emigrated expatriate"),
    people("poverty_rate", "Words for poverty, such as poor, homeless, welfare",
           "poor poverty homeless homelessness unemployed unemployment welfare slum slums hunger starving famine debt "
           "bankrupt low_income working_class food_stamps"),
    people("wealth_rate", "Words for wealth, such as rich, luxury, elite",
           "rich wealthy wealth affluent luxury luxurious millionaire millionaires billionaire billionaires elite "
           "elites prosperous prosperity fortune high_income upper_class middle_class"),
)  # fmt: skip

LISTS = GENDER + AGE_AND_FAMILY + RELIGION + WORK + CIRCUMSTANCES
