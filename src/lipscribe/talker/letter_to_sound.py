"""Spelling -> phonemes by rule, for words that no dictionary has: names, brands, inventions.

The rules are our own, in the manner of Elovitz, Johnson, McHugh, Shore: Letter-to-sound rules for automatic translation
of English text to phonetics, IEEE Trans. ASSP 24 (1976): the first that fits at a letter says what the letters sound
like, given their neighbours. Stress comes after, from the ending and the number of syllables.
"""

import re

VOWELS = frozenset(("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"))

# One rule a line: a pattern that is matched at the letter (what a lookahead or lookbehind sees is context) and the
# sound. C stands for a consonant, V for a vowel letter; `_e` for the silent e that makes a vowel say its name.
_RULES = """
^kn N | ^gn N | ^pn N | ^wr R | ^wh W | ^ps S | ^x Z | ^mc M AH K | ^who HH UW | ^rh R | ^re(?=C+V) R IY
^be(?=C+V) B IH | ^de(?=C+V) D IH | ^pre(?=C+V) P R IY | ^one(?=$|[sd]) W AH N | tch CH | sch(?=[mnlw]) SH | sch S K
chr K R | ch CH | sh SH | ph F | gh(?=[aeiou]) G | (?<=t)th TH | th(?=er$|ers$) DH | (?<=V)the$ DH | th TH | dge JH
dg(?=[iy]) JH | ck K | cqu K W | qu K W | q K | ce$ S | cc(?=[eiy]) K S | ci(?=ous|al|an|ent) SH | sc(?=[eiy]) S
c(?=[eiy]) S | cc K | c K | ngue$ NG | ng(?=[stdz]|$) NG | ng(?=[lrwu]) NG G | n(?=k|x|c[aourl]) NG | nn N | n N
gue$ G | gg G | ge$ JH | gu(?=[eiy]) G | g(?=[eiy]) JH | g G | tion$ SH AH N | tions$ SH AH N Z | tion SH AH N
(?<=V)sion ZH AH N | (?<=C)sion SH AH N | ssion SH AH N | ti(?=ous|al|an|ent) SH | ture$ CH ER | tures$ CH ER Z
(?<=V)sure ZH ER | tt T | t T | ssi(?=on) SH | ss S | (?<=V)s(?=V) Z | (?<=[bdgvlmnrwaeiou])s$ Z | (?<=V)es$ Z | s S
zz Z | z Z | x(?=[aeiou]) G Z | x K S | bb B | (?<=m)b$ _ | (?<=m)bs$ Z | b B | dd D | (?<=[pkfsxh])ed$ T | d D | ff F
f F | h(?=[aeiouy]) HH | h _ | j JH | kk K | k K | (?<=[aou])lk(?=$|s) K | lm$ M | (?<=[bcdfgkptz])le$ AH L
(?<=[bcdfgkptz])les$ AH L Z | ll L | l L | mm M | mn$ M | m M | pp P | p P | rrh R | rr R | r R | v V | wh W | w W
ayer EY ER | ai(?=r) EH | ai EY | ay EY | augh(?=t) AO | au AO | aw(?=V) AA W | aw AO | ae IY | a(?=ng$) AE | air EH R
are$ EH R | ares$ EH R Z | ar(?=V) EH R | (?<=w)ar AO R | ar AA R | (?<=[wq])a(?=[tnsd]) AA | all AO L | a(?=lk|lt) AO
able$ AH B AH L | age$ IH JH | ages$ IH JH IH Z | ace$ EY S | a(?=ste) EY | a_e EY | a(?=C[iy]V) EY | al$ AH L | a$ AH
a(?=Cle$|CC?ing$) EY | a AE | eigh EY | ei(?=gn) EY | eir EH R | ei(?=[nlv]) IY | ei AY | ey$ IY | ey EY
ear(?=[nlc]) ER | ear IH R | ea(?=d|th$|lth) EH | ea(?=u) IY | ea IY | eer IH R | ee IY | eu(?=r) Y UH | eu UW
(?<=[rljdtn])ew UW | ew Y UW | ere$ IH R | er(?=V) EH R | er ER | ed$ D | (?<=[td])ed$ IH D | (?<=[sxz])es$ IH Z
(?<=[cg])es$ IH Z | (?<=sh)es$ IH Z | (?<=ch)es$ IH Z | (?<=C)es$ Z | e_e IY | (?<=^C)e$ IY | (?<=^CC)e$ IY | e$ _
(?<=V[bcdfgklmnpstvz])e(?=ly$|ment|ful|less|s$) _ | el$ AH L | en$ AH N | et$ IH T | ent$ AH N T | ence$ AH N S
e(?=V) IY | e EH | igh AY | ign$ AY N | ier$ IY ER | ie$ IY | ies$ IY Z | ied$ IY D | ie(?=[fvl]) IY | ie IY
io$ IY OW | ia$ IY AH | ious$ IY AH S | ir(?=V) AY R | ir ER | ing$ IH NG | ings$ IH NG Z | ique$ IY K | ise$ AY Z
ize$ AY Z | ive$ IH V | ine$ AY N | i_e AY | ild$ AY L D | ind$ AY N D | ion Y AH N | i(?=V) IY | (?<=^C)i$ AY | i$ IY
i IH | oar AO R | oa OW | oe$ OW | oi OY | oy OY | ook UH K | oor AO R | oo UW | ought AO T | ough AH F | oul(?=d) UH
our$ AO R | ous$ AH S | ou(?=nd|t|s|r|ch) AW | ou UW | own AW N | ow$ OW | ow(?=[sn]$) OW | ow AW | (?<=w)or ER
or AO R | o_e OW | old OW L D | olt OW L T | oll$ OW L | ost$ OW S T | on$ AH N | or$ ER | om$ AH M | o$ OW | os$ OW Z
o(?=C[iy]V) OW | o(?=CV) OW | o AA | ui(?=[stc]) UW | uy AY | ue$ UW | ur(?=V) Y UH R | ur ER | (?<=[rljs])u_e UW
u_e Y UW | u(?=C[iy]V) Y UW | ul$ AH L | ull UH L | us$ AH S | um$ AH M | (?<=[gq])u(?=[aeio]) W
(?<=[rljsc])u(?=CV) UW | u(?=CV) Y UW | u$ UW | u AH | y(?=V) Y | (?<=^C)y$ AY | (?<=^CC)y$ AY | yr(?=C|$) ER | y_e AY
y$ IY | ys$ IY Z | y IH
"""


def _compile(rules: str) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    compiled = []
    for rule in re.split(r" \| |\n", rules.strip()):
        pattern, *sound = rule.split()
        pattern = re.sub(r"(?<=[aeiouy])_e", "(?=Ce$|Ces$|Ced$|thes?$|ste$)", pattern)
        pattern = pattern.replace("C", "[bcdfghjklmnpqrstvwxz]").replace("V", "[aeiouy]")
        compiled.append((re.compile(pattern), tuple(s for s in sound if s != "_")))
    return compiled


_COMPILED = _compile(_RULES)


def sound_out(word: str) -> tuple[str, ...]:
    """What an unknown word sounds like.

    Args:
        word: Lower-case letters a to z, at least one.

    Returns:
        ARPAbet phonemes, vowels with a stress digit, exactly one of them 1 where there is a vowel.
    """
    assert re.fullmatch("[a-z]+", word), word
    phonemes: list[str] = []
    position = 0
    while position < len(word):
        length, sound = _first_rule(word, position)
        phonemes += sound
        position += length
    return _stressed(word, [p for i, p in enumerate(phonemes) if i == 0 or p in VOWELS or p != phonemes[i - 1]])


def _first_rule(word: str, position: int) -> tuple[int, tuple[str, ...]]:
    for pattern, sound in _COMPILED:
        match = pattern.match(word, position)
        if match:
            return match.end() - position, sound
    raise AssertionError(f"no rule for {word[position]!r}: every letter has one without context")


def _stressed(word: str, phonemes: list[str]) -> tuple[str, ...]:
    """Puts the stress on one vowel; short vowels without it weaken to a schwa after the first syllable."""
    vowels = [i for i, phoneme in enumerate(phonemes) if phoneme in VOWELS]
    if not vowels:
        return tuple(phonemes)
    if re.search("(tion|sion|ic|ics|ious|ial|ian)s?$", word):
        from_end = 2
    elif re.search("(ity|ogy|aphy|ical|ate|ize|ise)s?$", word) or len(vowels) > 2:
        from_end = 3
    elif re.search("^(a(?=[bcdfglmnpst]{2}[^aeiou]*[aeiou])|be|de|re|un|dis|mis|ex)[^aeiou]+[aeiou]", word):
        from_end = 1
    else:
        from_end = 2
    stressed = vowels[max(0, len(vowels) - from_end)]
    weak = {"AE": "AH", "AA": "AH", "EH": "AH"}
    marked = []
    for i, phoneme in enumerate(phonemes):
        if i == stressed:
            marked.append(phoneme + "1")
        elif i in vowels:
            marked.append((weak.get(phoneme, phoneme) if i != vowels[0] else phoneme) + "0")
        else:
            marked.append(phoneme)
    return tuple(marked)
