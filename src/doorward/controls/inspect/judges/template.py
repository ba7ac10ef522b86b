r"""Template injection: expressions that a template engine or expression language evaluates on the server.

Threat: CWE-1336, CWE-917 (expression languages, Log4Shell); OWASP WSTG-INPV-18. Placeholders are harmless and
everywhere (`{{ name }}`, `${HOST}`, `{{#if paid}}`), so what stands between the delimiters is judged: arithmetic on
literals (how one finds out), the inside of the language (`__class__`, `getClass()`, `constructor`), names of the
engine's own objects, filters and calls that run or read something.
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_EXPRESSION: Final = re.compile(
    r"\{\{\{?(?P<curly>[^{}]{0,400}(?:\{[^{}]{0,200}\}[^{}]{0,200}){0,3})\}\}"
    r"|(?:(?P<sign>[$#*@~%])!?\{(?P<braced>[^{}]{0,400}(?:\{[^{}]{0,200}\}[^{}]{0,200}){0,3})\})"
    r"|\{%(?P<statement>[^{}]{0,400}(?:\{[^{}%]{0,200}\}[^{}%]{0,200}){0,3}?)%\}"
    r"|<%(?P<tag>[=#@!-]?[^%]{0,400})%>"
    r"|\{(?P<single>[0-9'\"$(][^{}\r\n]{0,200})\}"
    r"|@\((?P<razor>[^()\r\n]{1,100}(?:\([^()]{0,100}\)[^()\r\n]{0,100}){0,3})\)"
)
_ARITHMETIC: Final = re.compile(
    r"[=\s(-]{0,6}[\"']?[0-9]{1,12}[\"']?\s{0,4}(?:\*\*?|[+/%~-]"
    r"|\bmul\b)\s{0,4}[\"']?[0-9]{1,12}[\"']?(?:\s{0,4}[*+/%-]\s{0,4}[\"']?[0-9]{1,12}[\"']?){0,4}[\s;)]{0,6}"
    r"(?:\|\s{0,4}[a-z_]{1,16}\s{0,4})?"
)
_REPEATED: Final = re.compile(
    r"[=\s-]{0,4}(?:[0-9]{1,6}\s{0,4}\*\s{0,4}[\"'][^\"']{0,16}[\"']"
    r"|[\"'][^\"']{0,16}[\"']\s{0,4}\*\s{0,4}[0-9]{1,6})\s{0,4}"
)
_INSIDE: Final = re.compile(
    r"__\w{2,32}__|_{2,}(?:class|import|init|globals|mro|subclasses|builtins)|\bget(?:Class|Runtime|ClassLoader"
    r"|DeclaredConstructors?|DeclaredMethods?|EngineByName|MethodNames|Methods?|Superclass)\b\s{0,4}\("
    r"|\b(?:for|new)(?:Name|Instance)\b\s{0,4}\(|\bclass\.(?:for|get|inspect|module|protectionDomain|classLoader"
    r"|resource|name)\w{0,16}|\.class\b\s{0,4}(?:\.|\[|$|\))|\[\s{0,4}[\"']class[\"']\s{0,4}\]"
    r"|\bconstructor\b\s{0,4}(?:\.|\(|\[|[\"'])|\.(?:mro|subclasses|func_globals|gi_frame|f_globals|f_builtins|__"
    r"|_TemplateReference|_module|env\.(?:register|enable)|denormalize)\b"
    r"|\bT\s{0,4}\(\s{0,4}[\w.\"'\[\]{}]{1,64}|\b(?:java|javax|org\.(?:apache|springframework|codehaus)|freemarker"
    r"|groovy|com\.sun|jdk)\.\w|#(?:_memberAccess|context\b|root\b|session\b|request\b|parameters\b|attr\b|cmd\b|rt\b)"
    r"|@(?:java|org|ognl|com)\.[\w.]{1,64}@|\bnew\s{1,4}(?:java|javax|File|URL|ProcessBuilder|String|Socket|groovy"
    r"|freemarker|Scanner|ScriptEngine)[\w./*]{0,64}\s{0,4}\(|\?\s{0,4}(?:new|api|interpret|eval)\b\s{0,4}(?:\(|[.}]"
    r"|$)"
    r"|\b(?:ProcessBuilder|Runtime|ScriptEngineManager|ObjectConstructor|freemarker\.template|Execute)\b"
)
_SYSTEM_PATH: Final = re.compile(
    r"(?:^|[\"'\s(:])(?:/(?:etc|proc|root|var/(?:log|www)|home|usr)/[\w.-]|/flag|[Cc]:[/\\]{1,2}\w|file:///?"
    r"|(?:\.\./){2})"
)
"""A file of the machine, within an expression."""
_IMPLICIT: Final = re.compile(
    r"[\s!#]{0,4}(?:(?:session|request|application|page|view|flash)Scope|(?:header|param)Values|initParam|facesContext"
    r"|pageContext|\.(?:version|data_model|globals|main|namespace|vars|current_template_name|locals|output_format"
    r"|get_optional_template))\b[\s.\w\[\]'\"]{0,64}"
)
"""Objects that JSP's and FreeMarker's expression languages provide by themselves."""
_IMPORTS: Final = re.compile(r"\s{0,8}(?:import|from)\s{1,8}[A-Za-z_.]{2,48}")
_ENVIRONMENT: Final = re.compile(r"(?<![\w.])ENV\s{0,4}(?:\[|\.|$)")
_ENGINE: Final = re.compile(
    r"[=\s+-]{0,4}(?:handler|self|config|settings|request|app|application|_self|_context|lipsum|cycler|joiner|namespace"
    r"|url_for|get_flashed_messages|g|session|range|this|dwf|saxon|smarty|\$smarty|process|global|globalThis|root"
    r"|mainModule|pageContext|applicationScope"
    r"|requestScope|sessionScope|param|facesContext|Java|Packages|exchange|bean|ex|spring|execution|runtime|obj|class"
    r"|loop|caller|varargs|kwargs|undefined|debug|env|environment|environ|dump|attribute|_dump|__SELF__)"
    r"\s{0,4}(?:\.\s{0,2}(?:_|items|env\b|environ|settings|from|SECRET|secret|application|request|server|query"
    r"|headers|cookies|args"
    r"|values|files|session|class|module|template|attr|context|mainModule|binding|exit|push|constructor|getClass"
    r"|setAttribute|getAttribute|get|method|input|register|display|cache|source|template_object|getStreamVariable"
    r"|fetch|version|http|now|const|server|exec|out|popen|system|util|apply|os)\w{0,24}"
    r"|\[|\(|\|)"
)
_WHOLE_ENGINE: Final = re.compile(
    r"[=\s+-]{0,4}(?:self|config|settings|_self|_context|request|app|debug|pageContext|applicationScope|dump|env"
    r"|process|global|globals|environment|\$smarty\.\w{1,32}(?:\.\w{1,32})?|smarty\.version|lipsum|cycler|joiner"
    r"|namespace|php|facesContext|url_for|get_flashed_messages|handler|_charset)\s{0,4}(?:\(\s{0,4}\))?\s{0,4}"
)
_FILTER: Final = re.compile(
    r"\|\s{0,4}(?:attr\s{0,4}\(|(?:filter|map|sort|reduce)\s{0,4}\(\s{0,4}[\"'(]|join\s{0,4}(?:\(|\)|\|)"
    r"|format\s{0,4}\(\s{0,4}[\"'%]|e\s{0,4}\(|raw\b|file_excerpt|include\b|passthru|system|exec|add\s{0,4}:|getlist"
    r"|last\b\s{0,4}\(|safe\b|upper\b$)"
)
_CALL: Final = re.compile(
    r"(?:^|[^\w])(?:system|exec|popen|passthru|shell_exec|eval|execute|spawn|execSync|execFile|getenv|phpinfo"
    r"|phpversion|constant|include"
    r"|require|import|load|fetch|source|read|readfile|readFile|get_\w{0,16}file|env|secret|readlines?"
    r"|file_get_contents|file_put_contents|fopen|open|write"
    r"|listdir|scandir|glob|unlink|print_r|var_dump|dump|call_user_func\w{0,8}"
    r"|array_map|implode|assert|compile|invoke|getText|toURL|createNewFile|parseClass|evaluate|lookup|fromCharCode"
    r"|chr|cat|sleep|call|render|url_for|setAttribute|getAttribute|toProcess|backticks|urlopen|getattr|globals|locals"
    r"|dir|vars|help|debug)\s{0,4}(?:\(|(?![\"']\s{0,4}[:,\]})|])[\"'`])"
    r"|(?:File|IO|Dir|Kernel|Open3|Process|ENV|PTY|ObjectSpace)\.\w{1,24}|`[^`]{1,128}`|%x[\[({]|\b(?:os|subprocess"
    r"|sys|commands|child_process|fs)\.\w{1,24}\s{0,4}\("
)
_LITERAL_CALL: Final = re.compile(
    r"^[=\s+-]{0,4}(?:[\"'][^\"']{0,64}[\"']|\[[^\]]{0,64}\]|\(\s{0,4}\)|\{\s{0,4}\}|[0-9]{1,8}"
    r"|[A-Za-z]\w{0,24})\s{0,4}\.\s{0,4}\w{2,32}\s{0,4}\("
)
_LITERAL_METHOD: Final = re.compile(
    r"^[=\s+-]{0,4}(?:[\"'][^\"']{0,64}[\"']|\[[^\]]{0,64}\]|\(\s{0,4}\)|\{\s{0,4}\})\s{0,4}(?:\.\s{0,4}\w{2,32}|\[)"
)
_STATEMENT: Final = re.compile(
    r"[\s+-]{0,4}(?:import|debug|print|include\s{1,4}[\"'/]|extends\s{1,4}[\"'/]|load\b|ssi\b|csrf_token|php"
    r"|raw\s{0,4}$|(?:raw|module|autoescape|apply)\s{1,4}\w{1,16}\s{0,4}(?:\(|[*+/-]\s{0,4}\d)"
    r"|(?:set|with)\s{1,4}\w{1,32}\s{0,4}=\s{0,4}(?:[^%]{0,64}(?:\(|__|\[)|[0-9]{1,8}\s{0,4}[*+/-]\s{0,4}[0-9]{1,8})"
    r"|for\s{1,4}\w{1,32}(?:\s{0,4},\s{0,4}\w{1,32})?\s{1,4}in\s{1,4}(?:\(\)|\[\]|config|self|request|settings|\{\}"
    r"|[\"'])|if\s{1,4}[0-9\"'(\[])"
)
_HANDLEBARS: Final = re.compile(
    r"#(?:with|each)\s{1,4}(?:[\"'(]|split\b|\([\w.]{1,32}\s)|\b(?:this\.(?:push|pop|shift)|string\.sub|codelist"
    r"|conslist)\b|^[\s#/]{0,4}this\.\w{1,32}\s{0,4}[\"'(]"
)
_LITERAL_FIRST: Final = re.compile(
    r"^[=\s+(-]{0,4}(?:[\"'][^\"']{0,64}[\"']|\[[^\]]{0,64}\])\s{0,4}(?:~|%|\*|\?\s{0,4}(?:upper|cap|lower|length"
    r"|eval|int)"
    r"|\|\s{0,4}(?:upper|lower|e|escape|join|format|length|reverse|capitalize|title|list|first|last|attr|raw|safe"
    r"|add|cat"
    r"|print|replace|trim|count|nl2br|md5|strlen|urlencode|hex|split|wordcount|center|map|filter|sort|reduce)\b)"
)
"""What testers do to a literal; what templates do to one (`'now' | date`, `'title' | t`) is not among it."""
_GO: Final = re.compile(
    r"^[\s-]{0,4}(?:printf|print|println|html|js|urlquery|define|template|block|index|call|slice|len)\s{1,4}[\"`.$(]"
    r"|^[\s-]{0,4}\.\w{1,32}(?:\.\w{1,32}){0,4}\s{1,4}[\"`]|^[\s-]{0,4}\$?\.\s{0,4}$"
)
_LOOKUP: Final = re.compile(
    r"\$\{\s{0,4}jndi\s{0,4}:|\$\{[^${}]{0,64}(?:\$\{[^{}]{0,64}\}[^${}]{0,16}){1,12}:?"
    r"|\$\{(?:[a-z]{1,8}:){0,2}:?-?[jndi]\}|\$\{(?:lower|upper|env|sys|date|main|ctx|java|docker|k8s|web|spring"
    r"|bundle|map|marker|log4j|sd|event|script|dns|url|base64Decoder|file|urlDecoder|const|xml|properties"
    r"|resourceBundle|sys_env):[^${}]{1,128}\}",
    re.IGNORECASE,
)
_LINE: Final = re.compile(
    r"(?:^|[\s>])(?:#set\s{0,4}\(\s{0,4}\$|#(?:foreach|evaluate|parse|include|macro)\s{0,4}\(\s{0,4}[$\"']|\$(?:class"
    r"|context|request|x|e|s|stack|esc|tools?|application)\.(?:getClass|class|inspect|forName|type|getMethods?"
    r"|getConstructor)\b)"
    r"|[<\[]#(?:assign|macro|include|import|function|list|global|local|setting|attempt|noparse)\s[^>\]]{0,256}(?:\?|="
    r"|\()|[<\[]#(?:include|import)\s{1,4}[\"'][^\"']{1,128}[\"']|\{(?:php|/php|system\s{0,4}\(|self::"
    r"|include\s{1,4}file=|fetch\s{1,4}file=|literal\}\{|if\s{1,4}(?:system"
    r"|phpinfo|exec|passthru|readfile|file_put)\w{0,16}\s{0,4}\(|\$smarty\.|Smarty_|eval\s{1,4}var="
    r"|math\s{1,4}equation=|function\s{1,4}name=)"
    r"|^\s{0,4}[-=]\s{1,4}(?:var\s{1,4}\w{1,16}\s{0,4}=\s{0,4})?(?:root|global|process|require)\b[.(]"
    r"|(?<![\w.])@\{?\(?\s{0,4}(?:System\.(?:Diagnostics|IO|Reflection|Environment|Net)|Html\.Raw|DateTime\.Now\b"
    r"|Process\.Start|AppDomain\.|Environment\.)|(?<![\w.])@\{\s{0,4}(?:var|int|string)\s{1,4}\w{1,16}\s{0,4}="
    r"|~\{\s{0,4}::"
    r"|\{\{\s{0,4}[=*#@:]?[0-9]{1,6}\s{0,4}[*+-]\s{0,4}[\"']?[0-9]|\[\[\s{0,4}\$\{|__\$\{|::\.x\b"
)
_POLYGLOT: Final = re.compile(
    r"\$\{\{<%|\{\{<%\[%|<%\[%'\"|\{\{[^\s\w}]{4,24}\}\}%|\$\{\{#|#\{\{\{?|\*\{\{|%\{\{|\}\}\{\{[0-9]"
)
_WHOLE: Final = re.compile(r"[\s\"'<>/()\[\]]{0,8}$")


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when its placeholders only name something.

    >>> judge("{{7*7}}").reason, judge("${T(java.lang.Runtime).getRuntime()}").reason
    ('arithmetic in a template expression', 'the inside of the language in a template expression')
    >>> judge("Dear {{ user.first_name }}, ${amount}"), judge("{% if paid %}thanks{% endif %}"), judge("#{name}")
    (None, None, None)
    """
    match = _LOOKUP.search(value) if "${" in value else None
    if match is not None:
        return _verdict("a lookup of a logging library or expression language", 90)
    for match in _EXPRESSION.finditer(value):
        reason = _judge_expression(match, value)
        if reason and not (reason == _ARITHMETIC_REASON and is_prose(value, match.start(), match.end())):
            return _verdict(reason, 85)
    for pattern, reason in (
        (_LINE, "a directive of a template engine"),
        (_POLYGLOT, "delimiters of several template engines"),
    ):
        match = pattern.search(value)
        if match is not None and not is_prose(value, match.start(), match.end()):
            return _verdict(reason, 75)
    return None


_ARITHMETIC_REASON: Final = "arithmetic in a template expression"
_LITERAL_REASON: Final = "a literal with a method or filter in a template expression"


def _judge_expression(match: re.Match[str], value: str) -> str:
    """Why this expression is an attack; empty when it is a placeholder."""
    kind = match.lastgroup
    inner = match[kind] if kind is not None else ""
    if kind == "razor":
        return _ARITHMETIC_REASON if _ARITHMETIC.fullmatch(inner) else ""
    if kind == "tag":
        inner = inner.lstrip("=#@!-")
    if _ARITHMETIC.fullmatch(inner) or _REPEATED.fullmatch(inner):
        return _ARITHMETIC_REASON
    if kind == "single":
        if _LITERAL_FIRST.match(inner) and _WHOLE.match(value, match.end()) is not None and match.start() <= 8:
            return _LITERAL_REASON
        return "a call in a template expression" if _CALL.search(inner) and inner[:1] != "$" else ""
    if kind == "braced" and match["sign"] in "~%" and not _INSIDE.search(inner):
        return ""
    if kind == "tag" and (_IMPORTS.match(inner) or _ENVIRONMENT.search(inner)):
        return "the inside of the language in a template expression"
    if kind == "tag" and match[kind][:1] not in {"=", "-"} and not _CALL.search(inner) and not _INSIDE.search(inner):
        return ""
    if _INSIDE.search(inner):
        return "the inside of the language in a template expression"
    is_alone = match.start() <= 8 and _WHOLE.match(value, match.end()) is not None
    if kind == "statement":
        return "a statement of a template engine that loads or walks objects" if _STATEMENT.match(inner) else ""
    if _CALL.search(inner):
        return "a call in a template expression"
    if _SYSTEM_PATH.search(inner) and kind != "tag":
        return "a file of the machine in a template expression"
    if kind != "braced" and _HANDLEBARS.search(inner):
        return "a helper that reaches the inside of the language"
    if _LITERAL_METHOD.match(inner) or (
        is_alone and kind == "curly" and _FILTER.search(inner) and not inner.strip()[:1].isalpha()
    ):
        return _LITERAL_REASON
    if is_alone and kind == "curly" and _LITERAL_FIRST.match(inner):
        return _LITERAL_REASON
    if "|" in inner and re.search(r"\|\s{0,4}(?:attr|filter|map|join)\s{0,4}\(", inner):
        return "a filter that calls or builds names"
    if _ENGINE.match(inner) and (is_alone or "(" in inner or "_" in inner or "[" in inner):
        return "an object of the template engine"
    if is_alone and (
        _WHOLE_ENGINE.fullmatch(inner)
        or (kind == "curly" and inner.strip() == "session")
        or (kind == "braced" and match["sign"] in "$#" and _IMPLICIT.fullmatch(inner))
        or (kind == "curly" and _GO.search(inner))
        or (_LITERAL_CALL.match(inner) and match[0][:2] != "{{")
    ):
        return "an object or function of the template engine"
    return ""


def _verdict(reason: str, score: int) -> Verdict:
    return Verdict("template", reason, score)
