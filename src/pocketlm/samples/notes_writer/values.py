"""What the slots of the templates are filled with. Half of the names and terms are made of syllables, so that they must be copied."""

SYLLABLES = "ba be bo ca ci co da de do fa fi ga go ha jo ka ki la le lo ma me mi na ne no pa po ra re ri ro sa se ta te ti to va vi wo ya za".split()
ENDINGS = {"p": ["n", "s", "l", "ra", "rd", ""], "city": ["burg", "ton", "mar", "stad", "via", "ford"], "country": ["nia", "land", "stan", "ria"],
           "term": ["n", "x", "l", "sis", "rin", "t"], "org": [" Works", " & Sons", "tec", " Media", " Group"]}  # fmt: skip
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
LISTS = {
    "p": """Anna|Tom|Mia|Jonas|Priya|Omar|Lena|Marco|Ines|Karl Weber|Ruth Adler|Samuel Okoro|Mrs Hale|Mr Creed|Dr Novak|my brother Paul|Sir William
        |Captain Ferrers|Yuki Tanaka|Elena Popescu|Ahmed|Grace Lee|Pierre Dubois|Ingrid|Father Brennan|Lady Montague|Nikolai Petrov""",
    "city": "Lisbon|Hamburg|Leeds|Porto|Kyoto|Austin|Nairobi|Cork|Ghent|Oslo|Turin|Quebec|Deptford|Woolwich|Sao Paulo|New Haven|Saint Malo",
    "country": "Peru|Norway|Kenya|Portugal|Vietnam|Poland|Chile|Morocco|New Zealand|the Netherlands|Bavaria|Scotland",
    "org": "Nordwind|Blue Harbor Bank|the Post Office|Baker & Co|Solaris Energy|the Red Cross|Lumen Labs|Northgate School|the Navy Board|Radio 7",
    "place": """the Swan Inn|Cafe Lumen|the Old Mill|the Opera House|Harbor Tower|the Rose tavern|the Botanical Garden|Hotel Central|St Mark's Hall
        |the Exchange|the Long Bridge|Villa Aurora|the Market Hall|Grand Station""",
    "river": "Elbe|Danube|Tagus|Ouse|Rhine|Mara|Severn|Ebro",
    "thing": "bicycle|tent|camera|washing machine|coat|lamp|drill|suitcase|telescope|piano|printer|kettle|silver cup|microscope|sewing machine|kayak",
    "dish": "plum cake|lasagna|rye bread|venison pie|onion soup|lemon tart|roast chicken|pumpkin curry|barrel of oysters|potato gratin",
    "plant": "lavender|tomatoes|garlic|barley|peanuts|clover|rhubarb|maize|sage|beans",
    "animal": "lizard|beetle|owl|deer|frog|bat",
    "topic": """the new contract|sleep|the price of grain|music lessons|the King's debts|taxes|free speech|school meals|the victualling of the fleet|climate
        |the garden fence|machine translation|old maps|the plague|trust""",
    "doc": "report|draft contract|slides|invoice|list of guests|floor plan|translation|press release|test results",
    "project": "Heron|Atlas|website|archive|Bluebird|onboarding|harbor|Lighthouse",
    "room": "cellar|attic|kitchen|office|garage|guest room",
    "body": "knee|shoulder|left ear|back|wrist|stomach|throat",
    "title": "The Salt Road|Winter Harbor|A Map of Rain|The Ninth Letter|Glass Mountains|Letters to Ida|The Quiet Engine",
    "job": "chemist|painter|surveyor|poet|physicist|nurse|composer|judge|teacher",
    "material": "aluminium|linen|copper|charcoal|glass|silk|limestone|ammonia|graphite|tin",
    "office": "mayor|speaker|treasurer|president of the court|governor",
    "battle": "Battle|Siege",
    "cmd": "tail|grep|parse_rows|git log|resize|fold_left|map_values|curl|sort_by",
    "flag": "last|short|no-cache|quiet|strict|raw",
}


class Filler:
    """Fills the slots of one block: the same slot gets the same value, slots with another number another one."""

    def __init__(self, rng):
        self.rng, self.given = rng, {}

    def __call__(self, match):
        slot = match[1]
        if slot not in self.given:
            value = next(value for value in iter(lambda: self.value(slot), None) if value not in self.given.values())
            self.given[slot] = value
        return self.given[slot]

    def value(self, slot):
        rng, kind = self.rng, {"q": "p", "m": "n"}.get(slot.rstrip("23"), slot.rstrip("23"))
        hour, number = rng.randint(1, 12), rng.randint(3, 97)
        made = {
            "month": f"{rng.choice(MONTHS)} {rng.randint(2015, 2026)}" if rng.random() < 0.6 else rng.choice(MONTHS),
            "date": f"{rng.randint(1, 28)} {rng.choice(MONTHS)}",
            "fulldate": f"{rng.randint(1, 28)} {rng.choice(MONTHS)} {rng.randint(1300, 1950)}",
            "day": rng.choice(DAYS),
            "time": rng.choice([f"{hour}:{rng.choice(['00', '15', '30', '45'])}", f"{hour} pm", f"{hour} o'clock"]),
            "year": str(rng.choice([rng.randint(1400, 1899), rng.randint(1900, 2025)])),
            "money": rng.choice(["{} euros", "${}", "£{}", "{} EUR", "{} shillings"]).format(rng.choice([number, number * 10, number * 25])),
            "n": str(number), "few": rng.choice(["two", "three", "four", "five", "seven"]),
            "big": rng.choice([f"{number},{rng.randint(100, 999)}", f"{number / 10} million", str(number * 110)]),
            "pct": rng.choice([str(number), f"{number}.{rng.randint(1, 9)}"]), "heat": str(number * 10),
        }  # fmt: skip
        if kind in made:
            return made[kind]
        if kind == "term" or (kind in ENDINGS and rng.random() < 0.5):
            word = "".join(rng.sample(SYLLABLES, rng.choice([2, 2, 3]))) + rng.choice(ENDINGS[kind])
            return word if kind == "term" else word.capitalize()
        return rng.choice([item.strip() for item in LISTS[kind].split("|")])
