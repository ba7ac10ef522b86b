r"""Deserialisation gadgets: serialised objects of Java, .NET, PHP, Python, Ruby and Node that do harm on being read.

Threat: CWE-502; OWASP WSTG-INPV-11. Each format has a beginning that nothing else has (`rO0AB` is Java's stream header
in base64, `O:4:"Evil":1:{` an object of PHP), and libraries name classes in data (`@type`, `$type`, `!!python/object`).
"""

import re
from typing import Final

from doorward.controls.inspect.judges.prose import is_prose
from doorward.controls.inspect.verdict import Verdict

_JAVA: Final = re.compile(
    r"(?:^|[^A-Za-z0-9+/])rO0AB|(?:^|[^0-9A-Fa-f])[aA][cC][eE][dD]0005[0-9a-fA-F]|\xac\xed\x00\x05"
)
_DOTNET: Final = re.compile(
    r"AAEAAAD/{4,}|\bTypeConfuseDelegate\b|\bObjectDataProvider\b|\"\$type\"\s{0,4}:\s{0,4}\"System\."
    r"|<ObjectDataProvider|xmlns:\w{1,16}=[\"']clr-namespace:System"
)
_PHP: Final = re.compile(r"(?:^|[;:{=&\s\"'])[OC]:\+?\d{1,4}:\\{0,2}[\"'][\\\w]{1,128}\\{0,2}[\"']:\d{1,6}:\{")
_PYTHON: Final = re.compile(
    r"(?:^|[^\w])c(?:os|posix|nt|__builtin__|builtins|subprocess|commands|sys|runpy|pty)[\r\n]+\w{1,32}[\r\n]+\(?"
    r"|!!python/(?:object|name|module|tuple)"
    r"|tag:yaml\.org,2002:python/|(?:^[\s\"']{0,2}|[=:])(?:gASV[A-Za-z0-9+/]{2}[AEIM]|gA[JN][jJ9]|Y(?:29zC"
    r"|3Bvc2l4C|19fYnVpbHRpbl9f|2J1aWx0aW5zC|3N1YnByb2Nlc3))|\\x80\\x0[2-5]c"
)
_RUBY: Final = re.compile(
    r"!ruby/(?:object|hash|struct|class|array|regexp)\b|\x04\x08[o\[{cIu]|\\x04\\x08[o\[{]|(?:^"
    r"|[^A-Za-z0-9+/])BAh(?:bC|vO|7[BC])[A-Za-z0-9+/]{8}"
)
_NODE: Final = re.compile(r"_\$\$ND_(?:FUNC|CC)\$\$_|\"_\$\$")
_YAML: Final = re.compile(r"!!(?:javax?|com\.sun|org|ch\.qos|sun)\.[\w.$]{1,128}")
_TYPED: Final = re.compile(
    r"[\"'](?:@type|@class|class|_class|\$class|__class__|javaClass|xsi:type|@c)[\"']\s{0,4}:\s{0,4}[\"'](?:Lcom\.sun"
    r"|\[?L?(?:com\.sun|sun|java|javax|org\.(?:apache|springframework|hibernate|codehaus|python|mozilla)"
    r"|ch\.qos|com\.(?:mchange|zaxxer|alibaba|mysql|newrelic|ibatis)|oracle|net\.sf|br\.com)\.)"
    r"|\[\s{0,4}[\"'](?:com\.sun|javax?\.|org\.(?:apache|springframework)\.|ch\.qos\.|com\.(?:mchange|zaxxer|p6spy"
    r"|nqadmin)\.|net\.sf\.)[\w.$]{1,128}[\"']\s{0,4},"
)
_MARKUP: Final = re.compile(
    r"<(?:java|object)\s{1,8}class=[\"'](?:java\.|javax\.|com\.sun)|<(?:java\.util\.PriorityQueue|dynamic-proxy"
    r"|java\.beans\.EventHandler|sun\.|com\.sun\.|javax\.(?:imageio|naming|script)|org\.apache\.|jdk\.nashorn)"
    r"|<void\s{1,8}(?:method|class|property)=|java\.beans\.XMLDecoder",
    re.IGNORECASE,
)
_GADGET: Final = re.compile(
    r"\b(?:Invoker|Instantiate|Chained|Constant|Closure|Clone|Factory|Map|Predicate|String|Switch)Transformer\b"
    r"|\b(?:TemplatesImpl|BadAttributeValueExpException|AnnotationInvocationHandler|MethodClosure|ConvertedClosure"
    r"|JdbcRowSetImpl|BeanFactory\$\w{1,32}|FileSystemXmlApplicationContext|ClassPathXmlApplicationContext"
    r"|JndiRefForwardingDataSource|PropertyPathFactoryBean|DefaultListableBeanFactory|InstantiateFactory"
    r"|PrototypeFactory|ForClosure|WhileClosure|UnicastRemoteObject|MarshalledObject|JRMPClient|ysoserial)\b"
)


def judge(value: str) -> Verdict | None:
    """The verdict on one reading of a text; None when no library would make an object of harm from it.

    >>> judge('O:4:"Evil":1:{s:3:"cmd";s:2:"id";}').reason
    'a serialised object of PHP'
    >>> judge("O:8 and C:3"), judge("BAhraini"), judge('{"class": "java"}')
    (None, None, None)
    """
    for pattern, reason, score in _FORMATS:
        match = pattern.search(value)
        if match is not None and not is_prose(value, match.start(), match.end()):
            return Verdict("deserialization", reason, score)
    return None


_FORMATS: Final = (
    (_JAVA, "a serialised object of Java", 95),
    (_PHP, "a serialised object of PHP", 90),
    (_DOTNET, "a serialised object of .NET", 90),
    (_PYTHON, "a serialised object of Python", 90),
    (_RUBY, "a serialised object of Ruby", 85),
    (_NODE, "a serialised function of Node", 95),
    (_YAML, "a class named in YAML", 85),
    (_TYPED, "a class named in data", 85),
    (_MARKUP, "an object of Java written as XML", 85),
    (_GADGET, "a class used in chains of gadgets", 75),
)
