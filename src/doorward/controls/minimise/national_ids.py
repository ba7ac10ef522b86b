"""Numbers by which countries know their people, recognised by their form and check digits.

The forms leave out what is only a run of nine or ten digits: one in eleven of such numbers passes a check digit, and an
order number is not a person.
"""

import re
from types import ModuleType
from typing import Final

from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn

_D: Final = "[0-9]"
_FORMS: Final[tuple[tuple[str, tuple[ModuleType, ...]], ...]] = (
    (rf"{_D}{{3}}-{_D}{{2}}-{_D}{{4}}", (ssn,)),
    (rf"{_D}{{3}}\.{_D}{{3}}\.{_D}{{3}}-{_D}{{2}}", (cpf,)),
    (rf"{_D}{{2}}\.{_D}{{2}}\.{_D}{{2}}-{_D}{{3}}\.{_D}{{2}}", (nn,)),
    (rf"756\.{_D}{{4}}\.{_D}{{4}}\.{_D}{{2}}", (ahv,)),
    (rf"{_D}{{3}}([ -]){_D}{{3}}\1{_D}{{3}}", (sin,)),
    (rf"{_D}{{4}} {_D}{{4}} {_D}{{4}}", (aadhaar,)),
    (rf"{_D}{{6}}[-+A-FU-Y]{_D}{{3}}[0-9A-Y]", (hetu, cpr, personnummer)),
    (rf"{_D}{{6}}-[0-9]{{7}}", (rrn,)),
    (rf"[12] ?{_D}{{2}} ?{_D}{{2}} ?{_D}[0-9AB] ?{_D}{{3}} ?{_D}{{3}} ?{_D}{{2}}", (nir,)),
    (r"[XYZ]?[0-9]{7,8}-?[A-HJ-NP-TV-Z]", (dni, nie)),
    (r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]", (codicefiscale,)),
    (r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]", (curp,)),
    (r"[0-9]{17}[0-9X]", (ric,)),
    (r"[0-9]{11}", (idnr, pesel, fodselsnummer)),
)
"""What each looks like, and whose it may be: US, Brazil, Belgium, Switzerland, Canada, India; Finland, Denmark, Sweden;
Korea, France, Spain, Italy, Mexico, China; Germany, Poland, Norway."""
LOOSE_FORMS: Final = "|".join(form.replace("([ -])", "[ -]").replace(r"\1", "[ -]") for form, _ in _FORMS)
"""The same for a first pass, which looks at no borders."""
FORMS: Final = rf"(?<![\w.+-])(?:{LOOSE_FORMS})(?![\w-])(?!\.[0-9])"
"""One pattern of all forms, standing alone in a text."""
_CHECKS: Final = tuple((re.compile(form, re.ASCII), countries) for form, countries in _FORMS)


def is_national_id(text: str) -> bool:
    """Whether a text of one of the forms is such a number.

    >>> is_national_id("536-90-4399"), is_national_id("000-12-3456"), is_national_id("86095742719")
    (True, False, True)
    """
    return any(
        pattern.fullmatch(text) is not None and any(_is_of(country, text) for country in countries)
        for pattern, countries in _CHECKS
    )


def _is_of(country: ModuleType, text: str) -> bool:
    try:
        return bool(country.is_valid(text))
    except Exception:  # noqa: BLE001 -- a number that the library stumbles over is masked rather than shown
        return True
