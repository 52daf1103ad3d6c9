"""Language tags of audio tracks: `en`, `eng` and `en-GB` mean one language (ISO 639-1, 639-2/B and /T)."""

from __future__ import annotations

# Two letters, then the three letters of ISO 639-2/T and, where it differs, /B
_CODES = """
aa aar|af afr|am amh|ar ara|as asm|az aze|be bel|bg bul|bn ben|bo bod tib|br bre|bs bos|ca cat|cs ces cze|
cy cym wel|da dan|de deu ger|el ell gre|en eng|eo epo|es spa|et est|eu eus baq|fa fas per|fi fin|fo fao|
fr fra fre|fy fry|ga gle|gd gla|gl glg|gu guj|ha hau|he heb|hi hin|hr hrv|hu hun|hy hye arm|id ind|ig ibo|
is isl ice|it ita|ja jpn|jv jav|ka kat geo|kk kaz|km khm|kn kan|ko kor|ku kur|ky kir|la lat|lb ltz|lo lao|
lt lit|lv lav|mg mlg|mi mri mao|mk mkd mac|ml mal|mn mon|mr mar|ms msa may|mt mlt|my mya bur|nb nob|ne nep|
nl nld dut|nn nno|no nor|oc oci|or ori|pa pan|pl pol|ps pus|pt por|qu que|rm roh|ro ron rum|ru rus|rw kin|
sd snd|si sin|sk slk slo|sl slv|so som|sq sqi alb|sr srp|sv swe|sw swa|ta tam|te tel|tg tgk|th tha|tk tuk|
tl tgl|tr tur|tt tat|ug uig|uk ukr|ur urd|uz uzb|vi vie|wo wol|xh xho|yi yid|yo yor|zh zho chi|zu zul
"""
_CANONICAL = {code: entry.split()[0] for entry in _CODES.split("|") for code in entry.split()}


def same_language(first: str, second: str) -> bool:
    """Return whether two tags mean one language; ignore regions and scripts."""
    return _primary(first) == _primary(second)


def _primary(tag: str) -> str:
    code = tag.partition("-")[0].partition("_")[0].lower()
    return _CANONICAL.get(code, code)
