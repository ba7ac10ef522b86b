r"""Injection by line breaks: header fields of an answer or a mail, commands of a line protocol, forged lines of a log.

Threat: CWE-113, CWE-93, CWE-117; OWASP WSTG-INPV-15, -10. Honest texts have lines; what they do not have is a bare
value whose second line is a header field of HTTP (`en\r\nSet-Cookie: a=b`), still less a break written `%0d%0a`.
"""

import re
from typing import Final

from doorward.controls.inspect.verdict import Verdict

_ENCODED: Final = (
    r"(?:%(?:25){0,2}0[dDaA]|%(?:25){0,2}(?:E5%(?:25){0,2}98%(?:25){0,2}8[aAdD]|u000[dDaA]|u560[aAdD]|c0%8[aAdD])|\\r"
    r"|\\n|\\x0[dDaA]|\\u000[dDaA]|0x0[dDaA]|&#(?:1[03]|x0?[aAdD]);)"
)
_CHARACTER: Final = r"[\r\n\x85\u2028\u2029\u010a\u010d]"
"""What ends a line, or would if only a character's last byte were kept (U+010D becomes CR)."""
_BREAK: Final = rf"(?:{_CHARACTER}|{_ENCODED})"
_FIELD: Final = (
    r"(?:Set-Cookie2?|Content-?(?:Type|Length|Encoding|Disposition|Security-Policy|Language|Location"
    r"|Transfer-Encoding)|Transfer-Encoding|Refresh|Location"
    r"|X-[A-Za-z][\w-]{1,40}|Access-Control-[\w-]{1,40}|Clear-Site-Data|WWW-Authenticate|Proxy-[\w-]{1,32}"
    r"|Last-Modified|Cache-Control|Pragma|Expires"
    r"|Strict-Transport-Security|Host|Cookie|Authorization|Connection|Upgrade|Link|ETag|Vary|Status|P3P|Server|Via"
    r"|Referer|User-Agent|Remote-addr|Header[\w-]{0,16}|Injected[\w-]{0,16}|Test[\w-]{0,8}|crlf[\w-]{0,16})"
)
_STRONG_FIELD: Final = (
    r"(?:Set-Cookie2?|Content-?(?:Type|Length|Encoding|Disposition|Security-Policy)|Transfer-Encoding|Refresh"
    r"|X-(?:XSS-Protection|Forwarded|Frame|Content|Injected|Header|Test|Powered|Custom|Real|Original|Http|Host"
    r"|CRLF)[\w-]{0,40}"
    r"|Access-Control-[\w-]{1,40}|Clear-Site-Data|WWW-Authenticate|Last-Modified|Strict-Transport-Security"
    r"|Remote-addr|Location(?=\s{0,4}:\s{0,4}(?:https?:|//|/|javascript:))"
    r"|Host(?=\s{0,4}:\s{0,4}(?:[\w-]{1,64}\.|localhost))|Cookie(?=\s{0,4}:\s{0,4}[\w-]{1,32}=)"
    r"|User-Agent|Sec-[A-Z][\w-]{1,32}|(?:True-Client|CF-Connecting|Client)-IP|Forwarded(?=\s{0,4}:\s{0,4}(?:for|by"
    r"|host"
    r"|proto)=)|Cache-Control|Authorization(?=\s{0,4}:\s{0,4}(?:Basic|Bearer|Digest|Negotiate|AWS4)\b)"
    r"|Connection(?=\s{0,4}:\s{0,4}(?:close|keep-alive|upgrade)\b)|Referer|Proxy-[A-Z][\w-]{1,32}"
    r"|If-(?:None-Match|Match|Modified-Since|Range)|Accept-(?:Language|Encoding|Charset|Ranges)"
    r"|ETag(?=\s{0,4}:\s{0,4}(?:W/)?\")|Pragma(?=\s{0,4}:\s{0,4}no-cache)|Set-Login|HTTP2-Settings|Alt-Svc"
    r"|(?:Header|Injected|Inject|Evil|Crlf)(?:-[\w-]{1,16})?(?=\s{0,4}:\s{0,4}[\w.-]{1,64}\s{0,4}\Z)|Referrer-Policy"
    r"|Permissions-Policy|Origin(?=\s{0,4}:\s{0,4}(?:https?:|null)))"
)
_ENCODED_FIELD: Final = re.compile(
    rf"{_ENCODED}[\s\x00]{{0,4}}(?:{_ENCODED}){{0,6}}[\s\x00]{{0,4}}(?:{_FIELD}(?:\s|%20|%(?:25)?0[dDaA]){{0,4}}(?::"
    rf"|%(?:25)?3[aA])|HTTP/[0-9.]{{1,3}}(?:\s|%20|\+))",
    re.IGNORECASE,
)
_RAW_FIELD: Final = re.compile(
    rf"{_CHARACTER}[\s\x00]{{0,8}}(?:{_STRONG_FIELD}[\s\x00]{{0,8}}:|HTTP/[0-9.]{{1,3}}\s[1-5][0-9]{{2}})",
    re.IGNORECASE,
)
_FIRST_FIELD: Final = re.compile(
    r"[ \t]{0,4}(?:\r\n){1,4}[ \t]{0,4}[A-Za-z][A-Za-z0-9-]{1,40}[ \t]{0,4}:[ \t]{0,4}\S|[\r\n]{1,4}X-[\w-]{1,40}:"
)
"""A text whose very first line is empty and whose second is a field: nobody types that."""
_ANY_FIELD: Final = re.compile(
    r"%(?:25){0,2}0[dD]%(?:25){0,2}0[aA](?:%(?:25){0,2}20|[ +]){0,2}[A-Za-z][A-Za-z0-9-]{1,40}(?::|%(?:25){0,2}3[aA])"
)
_WRITTEN: Final = re.compile(
    r"(?:mailto|sms|tel|whatsapp):|[?&](?:body|text|subject|message|content|description)=", re.IGNORECASE
)
"""A link that fills in a letter or a message, lines and all."""
_REQUEST_LINE: Final = re.compile(
    rf"(?!\s?[A-Z]{{3,8}}\s/)[^\r\n]{{0,200}}?(?:\s|%20|\+)HTTP/1\.[01](?:\s|%20){{0,4}}{_BREAK}", re.IGNORECASE
)
_ENCODED_MARKUP: Final = re.compile(rf"{_ENCODED}(?:\s|{_ENCODED}){{1,8}}(?:<(?!/)|%(?:25)?3[cC])", re.IGNORECASE)
_RAW_MARKUP: Final = re.compile(r"^[^\r\n]{0,64}\r\n\r\n\s{0,8}<(?:html|script|body|svg|img|h1)\b", re.IGNORECASE)
_ONLY_BREAKS: Final = re.compile(rf"(?:{_ENCODED}|\s){{2,32}}")
_MAIL: Final = re.compile(
    rf"^[^\s@]{{1,64}}@[^\s@%\\]{{1,128}}[>\s]{{0,2}}?{_BREAK}(?:\s|{_ENCODED}){{0,4}}(?:b?cc|to|subject|from"
    rf"|reply-to|mime-version|content-type|x-[\w-]{{1,32}}|date)\s{{0,4}}(?::|%3[aA])"
    rf"|{_BREAK}(?:\s|{_ENCODED}){{0,4}}bcc\s{{0,4}}(?::|%3[aA])\s{{0,4}}[^\s@]{{1,64}}(?:@|%40)",
    re.IGNORECASE,
)
_COMMAND: Final = re.compile(
    rf"{_BREAK}(?:\s|{_ENCODED}){{0,4}}(?:(?:RCPT TO|MAIL FROM)\s?:|(?:EHLO|HELO)\s\S|(?:DATA|QUIT|RSET)(?:[\r\n]|%0|$)"
    rf"|[A-Z][0-9]{{1,4}}\s(?:FETCH|CREATE|DELETE|LOGOUT|SELECT|CAPABILITY|UID|EXAMINE|STORE|RENAME)\b"
    r"|(?:SLAVEOF|REPLICAOF|FLUSHALL|FLUSHDB|BGSAVE|CONFIG\s(?:SET|GET)|EVAL)\b|SET\s\S{1,64}\s\S{1,64}(?:[\r\n]|$)"
    r"|(?i:config\s(?:set|get)\s(?:dir|dbfilename|save|\*|requirepass)|slaveof\s\S{1,64}\s[0-9]|flushall(?:[\r\n]|$))"
    r"|(?:set|add|get|delete|stats"
    r"|incr)\s[\w:.-]{1,64}\s[0-9]{1,10}\s[0-9]{1,10}\b|\*[0-9]{1,3}(?:\r|%0d|\\r)|GET\s/\S{0,256}\sHTTP/"
    r"|POST\s/\S{0,256}\sHTTP/)"
)
_LOG: Final = re.compile(
    rf"^[^\s%\\]{{1,64}}{_BREAK}(?:\s|{_ENCODED}){{0,4}}(?:\[(?:INFO|WARN(?:ING)?|ERROR|DEBUG|NOTICE|CRITICAL|FATAL"
    rf"|ALERT)\]|(?:INFO|WARN(?:ING)?|ERROR|DEBUG|NOTICE|CRITICAL|FATAL|ALERT)\s?:"
    rf")|^[A-Za-z][\w.-]{{0,31}}{_BREAK}(?:\s|{_ENCODED}){{0,4}}[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}\s\S{{1,32}}\s\S{{1,32}}\s"
    r"\[[0-9]{1,2}/[A-Z]"
)
_WIDE: Final = {0x560A: "\n", 0x560D: "\r"}
"""Characters whose last byte is a line break: what is left of them where only that byte is kept."""
_END_OF_DATA: Final = re.compile(r"[\r\n]{1,2}\.\Z")
"""The lone dot that ends a mail in SMTP."""
_BARE: Final = re.compile(r"[^\r\n]{0,200}")
_SENTENCE: Final = re.compile(r"(?:[A-Za-z']{2,24}[ ,]{1,2}){3}")


def judge(value: str) -> Verdict | None:
    r"""The verdict on one reading of a text; None when no line of it is more than a line.

    >>> judge("en%0d%0aSet-Cookie: a=b").reason
    'a header field after an encoded line break'
    >>> judge("Meeting at ten\nLocation: Berlin"), judge("mailto:a@b.c?body=one%0D%0Atwo")
    (None, None)
    """
    value = value.translate(_WIDE)
    if _ENCODED_FIELD.search(value):
        return _verdict("a header field after an encoded line break", 90)
    match = _RAW_FIELD.search(value)
    if match is not None and match.start() + len(match[0]) <= 512 and _is_after_a_value(value, match.start()):
        return _verdict("a header field after a line break", 85)
    if _FIRST_FIELD.match(value) or _REQUEST_LINE.match(value):
        return _verdict("begins with the rest of a request or a header field", 80)
    if "%" in value and _ANY_FIELD.search(value) and not _WRITTEN.search(value):
        return _verdict("a header field after an encoded line break", 80)
    if _ENCODED_MARKUP.search(value) or _RAW_MARKUP.match(value):
        return _verdict("a body after an empty line", 80)
    if _ONLY_BREAKS.fullmatch(value) and value.strip():
        return _verdict("encoded line breaks and nothing else", 75)
    if _MAIL.search(value):
        return _verdict("a header field of a mail after a line break", 85)
    match = _COMMAND.search(value)
    if match is not None and _is_after_a_value(value, match.start()):
        return _verdict("a command of a line protocol after a line break", 80)
    if value.count("\n") <= 2 and _LOG.match(value):
        return _verdict("a forged line of a log", 70)
    return None


def _is_after_a_value(value: str, position: int) -> bool:
    """Whether what stands before is one bare value, not lines of text: a pasted head of a message is many lines."""
    before = _END_OF_DATA.sub("", value[:position].strip(), count=1)
    return _BARE.fullmatch(before) is not None and not _SENTENCE.search(before) and not before.endswith((":", "."))


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("crlf", reason, score)
