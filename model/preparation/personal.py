"""Personal data and secrets that people post by mistake, taken out of texts.

Each finder looks for one kind by its shape. What it finds is replaced by ``REDACTED``, in which the model sees no
word. What programmers write about all the time stays: loopback and private addresses, version numbers, the domains
of examples. Names of people have no shape, and stay.

Every pattern is linear: it begins only where nothing of its own stands before, or its repeats are bounded.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

REDACTED: Final = "███"

_EXAMPLE_DOMAIN: Final = re.compile(
    r"(?:^|\.)(?:example|domain|test|email|company|mydomain|yourdomain|mysite|yoursite)\.[a-z]{2,}$"
    r"|\.(?:example|test|invalid|local|png|jpe?g|gif|svg|css|js|py|so|java|class)$"
)
_ROBOTS: Final = frozenset(["git", "hg", "svn", "noreply", "no-reply", "user", "username", "root", "admin", "ec2-user"])
_PLACEHOLDER: Final = re.compile(
    r"your|xxx|\*\*|example|password|passwd|secret|test|dummy|sample|12345|abcd", re.IGNORECASE
)
_WELL_KNOWN: Final = frozenset(["8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "1.2.3.4", "9.9.9.9", "4.4.4.4", "5.6.7.8"])
_SMALL: Final = 20
"""First two numbers below it: four of them are rather a version, like VLC 3.0.11.1, than an address."""
_VERSION_BEFORE: Final = re.compile(
    r"(?:version|ver|v|release|rev|build|revision|[\w.]/|==|>=|<=|~=|[\w.]-)[\s\"'=:.(]{0,3}$", re.IGNORECASE
)
_ANYBODY: Final = frozenset(
    [
        "user",
        "username",
        "name",
        "me",
        "you",
        "myuser",
        "admin",
        "administrator",
        "public",
        "default",
        "all users",
        "root",
    ]
).union(["ubuntu", "ec2-user", "vagrant", "pi", "runner", "travis", "jenkins", "git", "app", "node", "shared", "user1"])


@dataclass(frozen=True, slots=True)
class Finder:
    """One kind of personal data.

    ``needs`` are texts in lower case of which one must be there: to look for them is cheap. The group ``secret`` of
    ``pattern``, or the whole find without one, is taken out where ``is_real`` says so.
    """

    kind: str
    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    is_real: Callable[[re.Match[str]], bool] = lambda match: True


def redact(text: str) -> tuple[str, Counter[str]]:
    """Take personal data and secrets out of a text; return what is left, and how many finds there were of each kind."""
    counts: Counter[str] = Counter()
    lowered = text.lower()
    for finder in FINDERS:
        if any(need in lowered for need in finder.needs):
            text = finder.pattern.sub(partial(_replace, finder=finder, counts=counts), text)
    return text, counts


def _replace(match: re.Match[str], finder: Finder, counts: Counter[str]) -> str:
    if not finder.is_real(match):
        return match[0]
    counts[finder.kind] += 1
    if "secret" not in finder.pattern.groupindex:
        return REDACTED
    first, end = match.span("secret")
    return match[0][: first - match.start()] + REDACTED + match[0][end - match.start() :]


def _is_a_persons(match: re.Match[str]) -> bool:
    return match["user"].lower() not in _ROBOTS and not _EXAMPLE_DOMAIN.search(match["domain"].lower())


def _is_no_placeholder(match: re.Match[str]) -> bool:
    """Return whether a value looks made by chance: a letter, a digit, and nothing that stands for a value."""
    value = match["secret"]
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and not _PLACEHOLDER.search(value)


def _is_public_address(match: re.Match[str]) -> bool:
    """Return whether an address is one of the internet, and no version number."""
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return False
    if not address.is_global or match[0] in _WELL_KNOWN or match[0].endswith(".0"):
        return False
    if address.version == 4 and max(address.packed[:2]) < _SMALL:
        return False
    return not _VERSION_BEFORE.search(match.string[max(0, match.start() - 16) : match.start()])


def _is_card(match: re.Match[str]) -> bool:
    """Check the digits as Luhn 1960 (US patent 2,950,048) does."""
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _finder(
    kind: str,
    needs: str,
    pattern: str,
    is_real: Callable[[re.Match[str]], bool] = lambda match: True,
    flags: int = 0,
) -> Finder:
    return Finder(kind, tuple(needs.split("|")), re.compile(pattern, re.ASCII | flags), is_real)


_ALONE: Final = r"(?<![A-Za-z0-9_\-])"
_SHAPES: Final = (
    r"(?:AKIA|ASIA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}(?![A-Za-z0-9])",  # Amazon
    r"AIza[A-Za-z0-9_\-]{35}",  # Google
    r"ya29\.[A-Za-z0-9_\-]{20,}",
    r"GOCSPX-[A-Za-z0-9_\-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_\-]{20,}",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9\-]{10,}",  # Slack
    r"[spr]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"sk-(?:[a-z]{2,8}-)?[A-Za-z0-9_\-]{32,}",  # OpenAI, Anthropic
    r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",  # SendGrid
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-AgE[A-Za-z0-9_\-]{30,}",
    r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}",  # Telegram
)

FINDERS: Final = (
    _finder(
        "private key",
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*(?:-----END [A-Z0-9 ]{0,60}-----)?",
    ),
    _finder(
        "signed token",
        "eyj",
        _ALONE + r"eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}(?:\.[A-Za-z0-9_\-]+)?",
    ),
    _finder(
        "key",
        "akia|asia|aiza|ya29.|gocspx-|ghp_|gho_|ghu_|ghs_|ghr_|github_pat_|glpat-|xox|k_live_|k_test_|sk-|sg.|npm_|"
        "pypi-age|hf_|:aa",
        _ALONE + r"(?:" + "|".join(_SHAPES) + ")",
    ),
    _finder(
        "password in a URL",
        "://",
        r"(?<=://)[^\s/:@\"'<>]{1,64}:(?P<secret>[^\s/:@\"'<>{}$%*]{3,128})(?=@)",
        lambda match: not _PLACEHOLDER.search(match["secret"]) and match["secret"].lower() not in ("pass", "pwd", "pw"),
    ),
    _finder(
        "key in a URL",
        "key=|token=|secret=|password=|pwd=|sig=|signature=",
        r"[?&;](?:api_?|access_?|auth_?|client_?|app_?)?(?:key|token|secret|password|pwd|sig|signature)="
        r"(?P<secret>[A-Za-z0-9%._~+/\-]{12,})",
        _is_no_placeholder,
        re.IGNORECASE,
    ),
    _finder(
        "password or key in code",
        "password|passwd|pwd|secret|key|token",
        r"(?:password|passwd|pwd|secret|(?:api|access|account|private)[_\-]?key|token)[\"']?\s{0,3}(?:=>?|:)\s{0,3}"
        r"(?:[\"'](?P<secret>[^\s\"'<>{}$]{6,200})[\"'])",
        _is_no_placeholder,
        re.IGNORECASE,
    ),
    _finder(
        "password or key in code",
        "password=|pwd=|accountkey=",
        r"(?:password|pwd|accountkey)=(?P<secret>[^\s;\"'<>{}$&]{6,200})(?=[;\"'])",
        _is_no_placeholder,
        re.IGNORECASE,
    ),
    _finder(
        "password or key in code",
        "bearer|basic",
        r"\b(?:bearer|basic)\s{1,3}(?P<secret>[A-Za-z0-9._~+/=\-]{20,})",
        _is_no_placeholder,
        re.IGNORECASE,
    ),
    _finder(
        "e-mail address",
        "@",
        r"(?<![\w.+\-/])(?P<user>\w[\w.+\-]{0,63})@(?P<domain>[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){0,4}"
        r"\.[A-Za-z]{2,24})(?![\w@])",
        _is_a_persons,
    ),
    _finder(
        "IP address",
        ".",
        r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?\w)",
        _is_public_address,
    ),
    _finder(
        "IP address",
        ":",
        r"(?<![\w:.])[23][0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{1,4}(?![\w:])",
        _is_public_address,
    ),
    _finder(
        "telephone number",
        "+",
        r"(?<![\w+./\-])\+[1-9][0-9]{0,2}[ .\-]?\(?[0-9]{1,4}\)?(?:[ .\-][0-9]{2,8}){1,4}(?!\w)",
        lambda match: 9 <= sum(map(str.isdigit, match[0])) <= 15,
    ),
    _finder("card number", "-| ", r"(?<![\w.\-])(?:[0-9]{4}[ \-]){3}[0-9]{4}(?![\w.\-])", _is_card),
    _finder(
        "name in a path",
        "/home/|/users/|:\\users\\|:\\\\users\\\\|settings\\",
        r"(?:[a-z]:\\{1,2}(?:users|documents and settings)\\{1,2}|(?<![\w.])/home/|(?<![\w.])/users/)"
        r"(?P<secret>[^\s\\/:\"'<>|*?$%{}()\[\],;]{2,32})(?=[\\/])",
        lambda match: match["secret"].lower() not in _ANYBODY,
        re.IGNORECASE,
    ),
)
"""Every kind that is looked for, in this order: what a finder takes out, the later ones do not see."""
