"""What the provider asks a person for, as far as it publishes that.

Sources: the provider's questions and answers (https://onramp.gitbook.io/onramp, "KYC") name what it collects,
among it a tax number; what that number is called in each country is said by the OECD's list
(https://www.oecd.org, "Tax identification numbers"). A country without a name here may still have one.
"""

from collections.abc import Mapping

from babel import Locale

from onramp_app.texts import _, current_language

_TAX_NUMBERS: Mapping[str, str] = {
    "BR": "CPF",
    "CL": "RUT",
    "DE": "Steuer-ID",
    "ES": "NIF",
    "FR": "numéro fiscal",
    "ID": "NPWP",
    "IE": "PPSN",
    "IN": "PAN",
    "IT": "codice fiscale",
    "KE": "KRA PIN",
    "MX": "RFC",
    "NL": "BSN",
    "PH": "TIN",
    "PT": "NIF",
    "TR": "T.C. kimlik no",
    "US": "SSN",
}


def asked_text(country: str | None) -> tuple[str, ...]:
    """Return what the provider asks for in a country, one thing a line."""
    number, name = _TAX_NUMBERS.get(country or "", ""), _country_name(country)
    return (
        _("Your phone number, to which it sends a one-time code."),
        _("Your name, age, gender and nationality."),
        _("A government-issued identity document. Its page names those it accepts for {country}.").format(
            country=name
        ),
        _("Your tax number, which in {country} is the {number}.").format(country=name, number=number)
        if number
        else _("Your tax number, if you have one in {country}.").format(country=name),
        _("Access to your camera, where it needs a picture."),
    )


def _country_name(country: str | None) -> str:
    """Return a country in words, or words for none."""
    names = Locale.parse(current_language()).territories
    return names.get(country or "", "") or _("your country")
