"""Rates of names of places and of nationalities, by region of the world.

Names count only with a capital, because many are words as well ("turkey", "polish", "chad"). A name that could mean two
places counts for both (Georgia), one that is also a usual given name counts too (Jordan): these are rates of names,
not of places meant. A longer name hides the shorter one in it: "New Mexico" is no "Mexico". Countries have their usual
English names, one or a few each; regions follow the M49 list of the United Nations, simplified to ten.
"""

from __future__ import annotations

from curation.text.feature_types import Feature, WordList

#: By region: names of countries, and adjectives and nouns of nationality.
REGIONS: dict[str, tuple[str, str]] = {
    "europe": (
        """Albania Andorra Austria Belarus Belgium Bosnia Britain Bulgaria Croatia Cyprus Czechia Czech_Republic
        Denmark England Estonia Finland France Germany Greece Hungary Iceland Ireland Italy Kosovo Latvia
        Liechtenstein Lithuania Luxembourg Macedonia Malta Moldova Monaco Montenegro Netherlands Norway Poland
        Portugal Romania Russia San_Marino Scotland Serbia Slovakia Slovenia Spain Sweden Switzerland Ukraine
        United_Kingdom UK U_K Vatican Wales USSR Soviet_Union Yugoslavia""",
        """Albanian Albanians Austrian Austrians Belarusian Belarusians Belgian Belgians Bosnian Bosnians British
        Briton Britons Bulgarian Bulgarians Croatian Croatians Croat Cypriot Cypriots Czech Czechs Danish Dane Danes
        Dutch English Estonian Estonians Finnish Finn Finns French German Germans Greek Greeks Hungarian Hungarians
        Icelandic Irish Italian Italians Latvian Latvians Lithuanian Lithuanians Macedonian Maltese Moldovan
        Norwegian Norwegians Polish Pole Poles Portuguese Romanian Romanians Russian Russians Scottish Scots Serbian
        Serbians Serb Serbs Slovak Slovaks Slovenian Slovenians Soviet Soviets Spanish Spaniard Spaniards Swedish
        Swede Swedes Swiss Ukrainian Ukrainians Welsh""",
    ),
    "north_america": (
        "America United_States USA US U_S Canada Greenland Bermuda",
        "American Americans Canadian Canadians Greenlandic",
    ),
    "latin_america": (
        """Argentina Bahamas Barbados Belize Bolivia Brazil Chile Colombia Costa_Rica Cuba Dominica
        Dominican_Republic Ecuador El_Salvador Grenada Guatemala Guyana Haiti Honduras Jamaica Mexico Nicaragua
        Panama Paraguay Peru Puerto_Rico Suriname Trinidad Uruguay Venezuela""",
        """Argentine Argentines Argentinian Argentinians Barbadian Belizean Bolivian Bolivians Brazilian Brazilians
        Chilean Chileans Colombian Colombians Costa_Rican Costa_Ricans Cuban Cubans Dominican Dominicans Ecuadorian
        Ecuadorians Guatemalan Guatemalans Guyanese Haitian Haitians Honduran Hondurans Jamaican Jamaicans Mexican
        Mexicans Nicaraguan Nicaraguans Panamanian Paraguayan Peruvian Peruvians Puerto_Rican Puerto_Ricans
        Salvadoran Salvadorans Trinidadian Uruguayan Venezuelan Venezuelans""",
    ),
    "middle_east_and_north_africa": (
        """Algeria Bahrain Egypt Iran Iraq Israel Jordan Kuwait Lebanon Libya Morocco Oman Palestine Persia Qatar
        Saudi_Arabia Syria Tunisia Turkey Türkiye UAE United_Arab_Emirates Yemen""",
        """Algerian Algerians Bahraini Egyptian Egyptians Emirati Emiratis Iranian Iranians Iraqi Iraqis Israeli
        Israelis Jordanian Jordanians Kuwaiti Kuwaitis Lebanese Libyan Libyans Moroccan Moroccans Omani Palestinian
        Palestinians Persian Persians Qatari Saudi Saudis Syrian Syrians Tunisian Tunisians Turkish Turk Turks
        Yemeni Yemenis""",
    ),
    "sub_saharan_africa": (
        """Angola Benin Botswana Burkina_Faso Burundi Cameroon Cape_Verde Chad Comoros Congo Djibouti
        Equatorial_Guinea Eritrea Eswatini Ethiopia Gabon Gambia Ghana Guinea Guinea_Bissau Ivory_Coast Kenya
        Lesotho Liberia Madagascar Malawi Mali Mauritania Mauritius Mozambique Namibia Niger Nigeria Rwanda Senegal
        Seychelles Sierra_Leone Somalia South_Africa South_Sudan Sudan Swaziland Tanzania Togo Uganda Zambia
        Zimbabwe""",
        """Angolan Angolans Batswana Beninese Burundian Cameroonian Cameroonians Chadian Congolese Eritrean
        Eritreans Ethiopian Ethiopians Gabonese Gambian Ghanaian Ghanaians Guinean Ivorian Ivorians Kenyan Kenyans
        Liberian Liberians Malagasy Malawian Malian Malians Mauritanian Mauritian Mozambican Namibian Namibians
        Nigerian Nigerians Rwandan Rwandans Senegalese Sierra_Leonean Somali Somalis South_African South_Africans
        South_Sudanese Sudanese Tanzanian Tanzanians Togolese Ugandan Ugandans Zambian Zambians Zimbabwean
        Zimbabweans""",
    ),
    "central_asia": (
        """Armenia Azerbaijan Georgia Kazakhstan Kyrgyzstan Mongolia Tajikistan Turkmenistan Uzbekistan""",
        """Armenian Armenians Azerbaijani Azerbaijanis Azeri Georgian Georgians Kazakh Kazakhs Kyrgyz Mongolian
        Mongolians Tajik Tajiks Turkmen Uzbek Uzbeks""",
    ),
    "south_asia": (
        "Afghanistan Bangladesh Bhutan India Maldives Nepal Pakistan Sri_Lanka",
        """Afghan Afghans Bangladeshi Bangladeshis Bhutanese Indian Indians Maldivian Nepalese Nepali Pakistani
        Pakistanis Sri_Lankan Sri_Lankans""",
    ),
    "east_asia": (
        "China Hong_Kong Japan Korea South_Korea North_Korea Macau Taiwan",
        """Chinese Japanese Korean Koreans South_Korean South_Koreans North_Korean North_Koreans Taiwanese
        Hongkonger Hongkongers""",
    ),
    "south_east_asia": (
        "Brunei Burma Cambodia East_Timor Indonesia Laos Malaysia Myanmar Philippines Singapore Thailand Vietnam",
        """Bruneian Burmese Cambodian Cambodians Indonesian Indonesians Laotian Laotians Malaysian Malaysians
        Filipino Filipinos Filipina Filipinas Singaporean Singaporeans Thai Thais Timorese Vietnamese""",
    ),
    "oceania": (
        """Australia Fiji Kiribati Micronesia Nauru New_Zealand Palau Papua_New_Guinea Samoa Solomon_Islands Tonga
        Tuvalu Vanuatu""",
        """Australian Australians Aussie Aussies Fijian Fijians New_Zealander New_Zealanders Kiwi Kiwis Samoan
        Samoans Tongan Tongans Papuan Papuans""",
    ),
}
CONTINENTS = """
    Africa African Africans Antarctica Antarctic Asia Asian Asians Europe European Europeans EU European_Union Oceania
    North_America South_America Latin_America Central_America Caribbean Middle_East Scandinavia Balkans Arctic Pacific
    South_Asia East_Asia Southeast_Asia Central_Asia Eastern_Europe Western_Europe North_Africa West_Africa
    East_Africa
"""
CITIES = """
    Abidjan Accra Addis_Ababa Algiers Amsterdam Ankara Athens Atlanta Auckland Baghdad Bangalore Bangkok Barcelona
    Beijing Beirut Berlin Bogotá Bogota Boston Brussels Bucharest Budapest Buenos_Aires Cairo Cape_Town Caracas
    Casablanca Chennai Chicago Copenhagen Dakar Dallas Damascus Delhi Detroit Dhaka Dubai Dublin Frankfurt Geneva
    Guangzhou Hamburg Hanoi Havana Helsinki Houston Hyderabad Istanbul Jakarta Jerusalem Johannesburg Kabul Karachi
    Khartoum Kiev Kyiv Kinshasa Kolkata Kuala_Lumpur Lagos Lahore Lima Lisbon London Los_Angeles Luanda Madrid
    Manchester Manila Melbourne Mexico_City Miami Milan Montreal Moscow Mumbai Munich Nairobi New_Delhi New_York Osaka
    Oslo Ottawa Paris Philadelphia Prague Rio_de_Janeiro Riyadh Rome San_Francisco Santiago Seattle Seoul Shanghai
    Shenzhen St_Petersburg Stockholm Sydney São_Paulo Sao_Paulo Taipei Tehran Tel_Aviv Tokyo Toronto Vancouver Vienna
    Warsaw Washington_DC Zurich
"""
US_STATES = """
    Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Georgia Hawaii Idaho Illinois
    Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi Missouri
    Montana Nebraska Nevada New_Hampshire New_Jersey New_Mexico New_York North_Carolina North_Dakota Ohio Oklahoma
    Oregon Pennsylvania Rhode_Island South_Carolina South_Dakota Tennessee Texas Utah Vermont Virginia Washington
    West_Virginia Wisconsin Wyoming
"""


def places(name: str, what: str, names: str) -> WordList:
    """The rate of a list of names."""
    formula = f"{what}, {len(set(names.split()))} entries, written with a capital, per 1,000 words."
    return WordList(Feature(name, "places and nationalities", "per 1,000 words", formula), names=names)


def spoken(region: str) -> str:
    """The name of a region as it is written: Sub Saharan Africa."""
    return region.replace("_", " ").title().replace(" And ", " and ")


LISTS = (
    *(
        places(f"country_{region}_rate", f"Names of countries of {spoken(region)}", countries)
        for region, (countries, _) in REGIONS.items()
    ),
    *(
        places(f"nationality_{region}_rate", f"Nationalities of {spoken(region)}", nationalities)
        for region, (_, nationalities) in REGIONS.items()
    ),
    places("continent_rate", "Names of continents and of regions of the world, and their adjectives", CONTINENTS),
    places("large_city_rate", "Names of large cities of all continents", CITIES),
    places("us_state_rate", "Names of states of the USA", US_STATES),
)
