"""How much of a text is in which language, by stop words.

The rate of a language is the share of words that are among its most frequent function words: a fifth to a half of a
running text in that language, a few per cent in a neighbour, nothing elsewhere. It is a stop-word rate, no language
identification: languages share words ("de" is French, Spanish, Portuguese and Dutch), lists in capitals or code have
no function words at all, and a text may mix languages. Apostrophes part words as `wordlists` says, so "l'homme"
counts for "l".
"""

from __future__ import annotations

from curation.text.feature_types import Feature, WordList

#: Frequent function words: articles, prepositions, conjunctions, pronouns, auxiliaries.
STOP_WORDS = {
    "english": """the of and to in a is that for it was on with as he be by at are this his from or had not but they
        which she you have were been their has an would there what will if can all when we who my""",
    "german": """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden
        aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber
        vor zur""",
    "french": """de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec
        son ses cette aux mais ou nous comme sa elle leur été ont ils être vous je on même très tout l d qu n j
        c'est""",
    "spanish": """de la que el en y a los se del las un por con no una su para es al lo como más pero sus le ha me
        si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy hasta desde está""",
    "italian": """di e il la che in un a per è una sono non si da con le del i della come anche nel alla più gli lo
        ma dei al delle ha se dal suo dalla nella questo era ed ai stato degli loro dell nell sull dall essere""",
    "portuguese": """de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das
        tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre""",
    "dutch": """de van het een en in is dat op te zijn met voor niet die aan er om ook als dan maar bij of uit nog
        worden door naar heeft tot ze hij over werd hebben wordt kan geen deze meer zich wel was al""",
    "swedish": """och i att det som en på är av för med till den har de inte om ett han men var jag sig från vi så
        kan när man hade hon under efter eller nu sin där vid mot ska skulle kommer ut får finns vara hur""",
    "polish": """w i na z się do nie to że jest o jak za od po przez dla jego co ale był tak są tym oraz już może
        tylko które ich być ze jej który czy było bardzo ma przed jako także która też pod""",
    "czech": """a v se na je že o s z do i to k ve pro za by ale si po jako podle od jsem tak jeho které který jak
        aby byl jsou při není také už nebo však bylo své kteří až která pouze když než jen""",
    "romanian": """de și în a la cu pe nu să că o este un din care ce mai pentru au fi ca se sau le prin dar fost
        după ai era lui fără până sunt când acest această cum între foarte ei îi îl își fie""",
    "turkish": """ve bir bu da de için ile çok olarak daha olan gibi kadar en sonra ne her o ya ama var ki değil mi
        olduğu tarafından göre ise iki yok şey ben sen onun oldu veya bunu hem diye bütün nasıl""",
    "indonesian": """yang dan di dengan untuk dari ini itu pada dalam tidak adalah akan ke oleh juga saya ada
        sebagai karena bisa atau telah kita mereka dapat sudah lebih kami menjadi bahwa para tersebut seperti anda
        saat secara""",
    "vietnamese": """và của là có được cho các một những trong không người với này khi đã để đến từ về cũng như
        nhiều ra phải vào năm lại thì sẽ tại trên bị nhưng đó theo sau hơn rất còn chỉ""",
    "russian": """и в не на что я с он как это по но из у за от так все о же для его к до бы был мы вы она они если
        или ни при есть только уже когда еще ещё быть было может которые который чтобы также""",
    "ukrainian": """і в не на що з у та до як за він це по від але для про його є й я ми вони або який які якщо було
        був також із при так бути її може після через під щоб вже""",
    "arabic": """في من على أن إلى التي الذي عن مع هذا هذه ما لا كان بعد كما أو ذلك بين لم قد كل حتى كانت قبل إن هو
        هي منذ عند غير ثم أي حيث لكن لن وقد تم عام أكثر""",
    "hindi": """के में की है से का को और पर ने एक कि यह भी इस के लिए हैं था कर तो जो नहीं हो ही या वह अपने थे तक जा
        थी उन साथ बाद गया कुछ किया जाता दिया रहा अब""",
}


def stop_words(language: str, words: str) -> WordList:
    """The share of words that are stop words of a language."""
    formula = (
        f"Words among {len(set(words.split()))} frequent function words of {language.capitalize()}, as listed, "
        "divided by all words: a stop-word rate."
    )
    return WordList(Feature(f"{language}_stop_word_share", "languages", "share of words", formula), words)


LISTS = tuple(stop_words(language, words) for language, words in STOP_WORDS.items())
