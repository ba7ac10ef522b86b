r"""Code injection: statements of PHP, Java, JavaScript, Python, Ruby and Perl where a value should stand.

Threat: CWE-94, CWE-95, CWE-98; OWASP WSTG-INPV-11. People write about functions and paste code, so a function's name
says nothing: what counts are calls that only make sense to somebody who is not the programmer (`eval(base64_decode(`,
`getRuntime().exec(`, `require('child_process')`), and short texts that are nothing but a statement.
"""

import re
from functools import cache
from typing import Final

from doorward.controls.inspect.judges.code_constructs import ENDLESS, JAVA, NODE, OTHER, PERL, PHP, PYTHON, RUBY
from doorward.controls.inspect.judges.prose import is_prose, prose_words, without_comments
from doorward.controls.inspect.judges.scan import Constructs
from doorward.controls.inspect.verdict import Verdict

_TELLING: Final = (
    r"(?:eval|exec|system|passthru|shell_exec|popen|proc_open|pcntl_exec|phpinfo|phpversion|phpcredits|php_uname"
    r"|getcwd|getmyuid|get_current_user|print_r|var_dump|var_export|usleep|base64_decode|gzinflate|str_rot13"
    r"|file_get_contents|file_put_contents|highlight_file|show_source|readfile|scandir|opendir|fopen|fwrite|fputs"
    r"|unlink|rmdir|chmod|move_uploaded_file|include_once|require_once|unserialize|create_function|call_user_func"
    r"|call_user_func_array"
    r"|array_map|array_filter|usort|curl_exec|curl_init|ini_set|ini_get|putenv|getenv|debug_zval_refcount|globals"
    r"|locals|execfile|setTimeout|setInterval|setImmediate|importScripts|atob|syscall|parse_str|Function)"
)
_COMMON: Final = (
    r"(?:echo|print|die|exit|sleep|open|compile|include|require|assert|chr|fetch|load|puts|printf|sprintf|md5|sha1"
    r"|extract|implode|explode|glob|copy|rename|mkdir|touch|mail|input|vars|dir|response\.write)"
)
_COMMON_ALONE: Final = (
    r"(?:echo|die|exit|sleep|include|require|assert|chr|md5|sha1|extract|implode|explode|glob|unlink|mkdir|touch|vars"
    r"|response\\.write)"
)
_END: Final = r"\s{0,4}(?:;|\}|//|#|/\*|\.|$|\?>|[\"'])"
_STATEMENT: Final = re.compile(
    rf"[\s;\"'\])}}.&|+@{{]{{0,12}}@?{_TELLING}\s{{0,4}}\(\s{{0,4}}(?:[\"'`$(\[@)]|[0-9]"
    rf"|\w{{1,32}}\s{{0,4}}\()[^\r\n]{{0,400}}{_END}[\s\S]{{0,200}}"
    rf"|[\s;\"'\])}}.&|+@{{]{{1,12}}@?{_COMMON}\(\s{{0,4}}(?:[\"'`$@]|[0-9])[^\r\n]{{0,400}}\){_END}[\s\S]{{0,200}}"
    rf"|@?{_COMMON_ALONE}\(\s{{0,4}}(?:[\"'`$@]|[0-9])[^\r\n]{{0,400}}\)\s{{0,4}};[\s\S]{{0,200}}",
    re.IGNORECASE,
)
_SPACED: Final = re.compile(
    r"(?:exec|system|eval|passthru|shell_exec|popen|phpinfo|file_get_contents"
    r"|call_user_func)[\s\x0b\x0c]{1,16}(?:/\*[^*]{0,32}\*/|#[^\n]{0,32}\n|//[^\n]{0,32}\n)?\s{0,16}\(\s{0,4}[\"'$)]",
    re.IGNORECASE,
)
_VARIABLE_CALL: Final = re.compile(
    r"\$[A-Za-z_]\w{0,32}\s{0,8}(?:(?://|#)[^\n]{0,32}\n\s{0,8}"
    r"|/\*[^*]{0,64}\*/\s{0,8})?\(\s{0,4}[^)\r\n]{0,128}\)\s{0,4}(?:;|$)|\(\s{0,4}\$\w{1,32}\s{0,4}\)\s{0,4}\("
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when nothing would run it.

    >>> judge("phpinfo();").reason, judge("__import__('os').system('id')").reason
    ('nothing but a call that runs or reads', 'code of Python')
    >>> judge("use print() and open() to read a file"), judge("f(x) = sin(x)"), judge("console.log")
    (None, None, None)
    """
    for hit in constructs().hits(value):
        if not is_prose(value, hit.end, hit.end):
            return _verdict(hit.reason, hit.score)
    if "(" not in value or len(value) > 2_048:
        return None
    value = without_comments(value).strip()
    match = _STATEMENT.fullmatch(value)
    if match is not None and prose_words(value, len(value)) < 4:
        return _verdict("nothing but a call that runs or reads", 75)
    match = _SPACED.search(value)
    if match is not None and match.start() < 16 and prose_words(value, len(value)) < 3:
        return _verdict("a call set apart from its parenthesis", 70)
    match = _VARIABLE_CALL.search(value)
    if match is not None and prose_words(value, len(value)) < 3 and "$" in value:
        return _verdict("a call of a function named by a variable", 75)
    return None


@cache
def constructs() -> Constructs:
    """What is recognised, compiled on first use."""
    return Constructs(
        *((pattern, "code of PHP", 85) for pattern in PHP),
        *((pattern, "code of Java or its expression languages", 85) for pattern in JAVA),
        *((pattern, "code of a JavaScript server", 80) for pattern in NODE),
        *((pattern, "code of Python", 85) for pattern in PYTHON),
        *((pattern, "code of Ruby", 80) for pattern in RUBY),
        *((pattern, "code of Perl", 75) for pattern in PERL),
        *((pattern, "code of a script engine", 80) for pattern in OTHER),
        *((pattern, "a loop without end", 80) for pattern in ENDLESS),
    )


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("code", reason, score)
