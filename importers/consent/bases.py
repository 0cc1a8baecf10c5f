"""Lawful bases: where each may be used, what each asks, and how long images may be kept.

The tables are a product team's fact sheet, not legal advice. Each cell names its source. Where none
is known, the signer is warned.
"""

from calendar import monthrange
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from django.db.models import TextChoices

from importers.models import Attestation
from importers.models.consent import Article9, Jurisdiction, LawfulBasis
from importers.models.levels import Level

CONSENT, FRAUD = LawfulBasis.CONSENT, LawfulBasis.FRAUD_EXEMPTION
FINANCIAL, INTEREST = LawfulBasis.FINANCIAL_INSTITUTION, LawfulBasis.PUBLIC_INTEREST
CLAIMS, OBLIGATION = LawfulBasis.LEGAL_CLAIMS, LawfulBasis.LEGAL_OBLIGATION
IL, TX = Jurisdiction.ILLINOIS, Jurisdiction.TEXAS
WA, CO = Jurisdiction.WASHINGTON, Jurisdiction.COLORADO
US, EU = Jurisdiction.UNITED_STATES, Jurisdiction.EUROPEAN_UNION
UK, OTHER = Jurisdiction.UNITED_KINGDOM, Jurisdiction.OTHER

UNDER_GDPR = frozenset({EU, UK})
CHOICES = ("lawful_basis", "jurisdictions")
EVERY_BASIS = ("purpose", "image_source", "evidence_reference", "term_ends_on", "adults_only")
OF_CONSENT = (
    *("evidence_kind", "notice_version", "consent_from", "consent_to", "withdrawal_route"),
)
OF_OTHERS = (
    *("law", "decided_by", "decided_on", "assessment_reference"),
    *("informed_on", "not_informed_reason"),
)
OF_GDPR = ("article_6_ground", "article_9_ground")
ANSWERS = (*CHOICES, *OF_CONSENT, *OF_OTHERS, *OF_GDPR, *EVERY_BASIS)


class Verdict(TextChoices):
    ALLOWED = "allowed", "Allowed"
    WARNING = "warning", "Warning"  # allowed, if the signer confirms the reason
    REFUSED = "refused", "Refused"


LEVELS = {
    Verdict.ALLOWED: Level.SUCCESS,
    Verdict.WARNING: Level.WARNING,
    Verdict.REFUSED: Level.ERROR,
}


class Cell(NamedTuple):
    """Whether a basis may be used for subjects of a jurisdiction, and why."""

    verdict: Verdict
    reason: str
    source: str = ""

    @property
    def level(self) -> Level:
        return LEVELS[self.verdict]


NO_SOURCE = Cell(
    Verdict.WARNING, "Consentry knows no source for this basis here.", "no source known"
)
AMERICAN = Cell(
    Verdict.REFUSED,
    "The Gramm-Leach-Bliley Act is a law of the United States.",
    "Gramm-Leach-Bliley Act, Title V",
)
RELEASE_ONLY = Cell(
    Verdict.REFUSED,
    "Illinois requires a written release and has no such exemption.",
    "740 ILCS 14/15(b)",
)
CONSENT_CAN_END = Cell(
    Verdict.WARNING,
    "People can withdraw consent at any time, as easily as they gave it, and their images must "
    "then be removed. A suspect can refuse: consent is a poor basis for a list of suspects.",
    "GDPR Art. 7(3) and recital 42",
)
ONE_CLAIM = Cell(
    Verdict.WARNING,
    "This covers images that particular legal claims need, not a list for general prevention.",
    "GDPR Art. 9(2)(f)",
)
NO_GROUND_ALONE = Cell(
    Verdict.WARNING,
    "A legal obligation is a ground under Article 6 only. A ground under Article 9 must hold too.",
    "GDPR Art. 6(1)(c) and 9(2)",
)

# Each pair that is not here is NO_SOURCE.
TABLE: dict[tuple[LawfulBasis, Jurisdiction], Cell] = {
    (CONSENT, IL): Cell(Verdict.ALLOWED, "With a written release.", "740 ILCS 14/15(b)"),
    (CONSENT, TX): Cell(
        Verdict.ALLOWED, "After informing the person.", "Tex. Bus. & Com. Code 503.001(b)"
    ),
    (CONSENT, WA): Cell(Verdict.ALLOWED, "After a notice.", "RCW 19.375.020"),
    (CONSENT, CO): Cell(Verdict.ALLOWED, "After a notice.", "C.R.S. 6-1-1314"),
    (CONSENT, EU): CONSENT_CAN_END,
    (CONSENT, UK): CONSENT_CAN_END,
    (FRAUD, IL): RELEASE_ONLY,
    (FRAUD, TX): Cell(
        Verdict.WARNING,
        "The exemption is for artificial intelligence that prevents, detects or responds to fraud "
        "or a security incident. Let counsel decide whether it covers this list.",
        "Tex. Bus. & Com. Code 503.001(e)(3)",
    ),
    (FRAUD, WA): Cell(
        Verdict.WARNING,
        "A security purpose is exempt under RCW 19.375.010, but the My Health My Data Act also "
        "covers biometric data.",
        "RCW 19.375.010 and 19.373",
    ),
    (FRAUD, EU): Cell(
        Verdict.REFUSED,
        "The GDPR has no fraud exemption. Use another basis, with grounds under Articles 6 and 9.",
        "GDPR Art. 9(2); AEPD PS/00120/2021",
    ),
    (FRAUD, UK): Cell(
        Verdict.REFUSED,
        "UK law allows this through an anti-fraud organisation only. Use substantial public "
        "interest if that applies.",
        "Data Protection Act 2018, Sch. 1 para. 14",
    ),
    (FINANCIAL, IL): Cell(
        Verdict.WARNING,
        "The Illinois act does not apply to institutions under GLBA Title V. Consentry has read "
        "this in secondary sources only.",
        "740 ILCS 14/25(c)",
    ),
    (FINANCIAL, WA): Cell(
        Verdict.ALLOWED, "Institutions under GLBA are excluded.", "RCW 19.375.040"
    ),
    (FINANCIAL, EU): AMERICAN,
    (FINANCIAL, UK): AMERICAN,
    (FINANCIAL, OTHER): AMERICAN,
    (INTEREST, IL): RELEASE_ONLY,
    (INTEREST, EU): Cell(
        Verdict.WARNING,
        "A law of the Union or of the country must provide for it. Spain fined a retailer's face "
        "list that had no such law.",
        "GDPR Art. 9(2)(g); AEPD PS/00120/2021",
    ),
    (INTEREST, UK): Cell(
        Verdict.WARNING,
        "A condition of Schedule 1 must apply. For fraud, that is membership of an anti-fraud "
        "organisation.",
        "Data Protection Act 2018, Sch. 1 para. 14",
    ),
    (CLAIMS, EU): ONE_CLAIM,
    (CLAIMS, UK): ONE_CLAIM,
    (OBLIGATION, EU): NO_GROUND_ALONE,
    (OBLIGATION, UK): NO_GROUND_ALONE,
}

ARTICLE_9 = {
    CONSENT: (Article9.CONSENT,),
    INTEREST: (Article9.PUBLIC_INTEREST,),
    CLAIMS: (Article9.LEGAL_CLAIMS,),
    OBLIGATION: (Article9.EMPLOYMENT, Article9.PUBLIC_INTEREST),
}


class Term(NamedTuple):
    """How long images may be kept, in months, and why."""

    months: int
    reason: str

    def ends(self, start: date) -> date:
        """Return the last day of the term. In a shorter month, that is the month's last day."""
        years, month = divmod(start.month - 1 + self.months, 12)
        year = start.year + years
        last_day = monthrange(year, month + 1)[1]
        return date(year, month + 1, min(start.day, last_day))


NO_LONGER_THAN_NEEDED = Term(
    12, "No law that Consentry knows sets a number. A year fits an annual review of the need."
)
TERMS = {
    IL: Term(36, "Illinois: at most 3 years after the last interaction, 740 ILCS 14/15(a)."),
    TX: Term(12, "Texas: within a year after the purpose ends, 503.001(c)(3)."),
    CO: Term(24, "Colorado: at most 24 months after the last interaction, C.R.S. 6-1-1314."),
    EU: Term(12, "GDPR: no longer than the purpose needs, Art. 5(1)(e). Review each year."),
    UK: Term(12, "UK GDPR: no longer than the purpose needs, Art. 5(1)(e). Review each year."),
    WA: Term(12, "Washington: no longer than reasonably necessary, RCW 19.375.020."),
}


class Row(NamedTuple):
    """A jurisdiction of the table: a cell for each basis, and the term of its images."""

    jurisdiction: Jurisdiction
    cells: list[tuple[LawfulBasis, Cell]]
    term: Term


def cell(basis: str, jurisdiction: str) -> Cell:
    return TABLE.get((LawfulBasis(basis), Jurisdiction(jurisdiction)), NO_SOURCE)


def table() -> list[Row]:
    """Return the whole table."""
    return [
        Row(place, [(basis, cell(basis, place)) for basis in LawfulBasis], suggested_term([place]))
        for place in Jurisdiction
    ]


def questions(basis: str, jurisdictions: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the answers that an attestation on this basis holds."""
    of_basis = OF_CONSENT if basis == CONSENT else OF_OTHERS
    of_law = OF_GDPR if UNDER_GDPR.intersection(jurisdictions) else ()
    return (*CHOICES, *of_basis, *of_law, *EVERY_BASIS)


def suggested_term(jurisdictions: Iterable[str]) -> Term:
    """Return the shortest term of these jurisdictions."""
    terms = [TERMS.get(Jurisdiction(one), NO_LONGER_THAN_NEEDED) for one in jurisdictions]
    return min(terms, default=NO_LONGER_THAN_NEEDED, key=lambda term: term.months)


def refusals(basis: str, jurisdictions: Iterable[str]) -> list[str]:
    """Return a sentence for each jurisdiction in which the basis is refused."""
    return [*_sentences(Verdict.REFUSED, basis, jurisdictions)]


def cautions(basis: str, jurisdictions: Iterable[str]) -> list[str]:
    """Return a sentence for each jurisdiction in which the basis needs a warning."""
    return [*_sentences(Verdict.WARNING, basis, jurisdictions)]


def warnings(answers: Attestation, today: date) -> list[str]:
    """Return the sentences that the signer must confirm."""
    term = suggested_term(answers.jurisdictions)
    found = cautions(answers.lawful_basis, answers.jurisdictions)
    if answers.term_ends_on > term.ends(today):
        found.append(f"The images are kept for more than {term.months} months. {term.reason}")
    return found


def _sentences(verdict: Verdict, basis: str, jurisdictions: Iterable[str]) -> Iterable[str]:
    for one in jurisdictions:
        found = cell(basis, one)
        if found.verdict == verdict:
            yield f"{Jurisdiction(one).label}: {found.reason} ({found.source})"
