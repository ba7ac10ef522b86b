"""Constructs of programming languages that only make sense to somebody who is not the programmer: data for `code`."""

from typing import Final

PHP: Final = (
    r"<\?(?:php\b|=)",
    (
        r"\b(?:eval|assert|system|exec|passthru|shell_exec|include|require|create_function|preg_replace"
        r"|call_user_func(?:_array)?|array_map|usort|base64_decode|unserialize|extract"
        r"|parse_str)(?:_once)?\s{0,4}\(?\s{0,4}@?\$_(?:GET|POST|REQUEST|COOKIE|SERVER|FILES|ENV|SESSION)\b"
    ),
    r"\$_(?:GET|POST|REQUEST|COOKIE|SERVER|FILES|ENV)\s{0,4}[\[{]\s{0,4}[\"'\w]{1,32}\s{0,4}[\]}]\s{0,4}\(",
    (
        r"\b(?:eval|assert)\s{0,4}\(\s{0,4}(?:base64_decode|gzinflate|gzuncompress|str_rot13|stripslashes|chr"
        r"|strrev|hex2bin|pack|urldecode|file_get_contents|implode)\s{0,4}\("
    ),
    r"\([\"'](?:system|exec|passthru|shell_exec|phpinfo|assert|popen|eval)[\"']\)\s{0,4}\(",
    r"\$\{\s{0,4}@?(?:system|exec|passthru|shell_exec|phpinfo|eval|print|die|assert|\$\w{1,16})\s{0,4}\(",
    r"\$\{@?\$\w{1,16}\}\s{0,4}\(",
    r"\b(?:auto_prepend_file|allow_url_include|disable_functions|safe_mode|open_basedir)\s{0,4}=",
    (
        r"\bpreg_replace\s{0,4}\(\s{0,4}[\"'](?:/.{0,64}/|#.{0,64}#|~.{0,64}~|@.{0,64}@"
        r"|\|.{0,64}\|)\w{0,4}e\w{0,4}[\"']"
    ),
    r"\bcall_user_func(?:_array)?\s{0,4}\(\s{0,4}[\"'](?:system|exec|passthru|shell_exec|assert|phpinfo|eval)",
    r"\bprint\s{0,4}\(?\s{0,4}md5\s{0,4}\(",
    r"\bdie\s{0,4}\(\s{0,4}(?:md5|phpversion|@?system)\s{0,4}\(",
    r"\$GLOBALS\s{0,4}\[",
)
"""PHP."""
JAVA: Final = (
    r"\b(?:java\.lang\.)?Runtime\s{0,4}[.@)]\s{0,4}(?:@?getRuntime|\)\.getRuntime)",
    r"\bgetRuntime\s{0,4}\(\s{0,4}\)\s{0,4}\.\s{0,4}\w",
    r"\bnew\s{1,4}(?:java\.lang\.)?ProcessBuilder\s{0,4}\(",
    r"@java\.lang\.\w{1,32}@",
    r"\bClass\s{0,4}\.\s{0,4}forName\s{0,4}\(",
    r"\bgetClass\s{0,4}\(\s{0,4}\)\s{0,4}\.\s{0,4}(?:forName|getClassLoader|getMethod|getConstructor)",
    r"\bjavax\.script\.ScriptEngineManager\b",
    r"\bgetEngineByName\s{0,4}\(",
    r"#_memberAccess\b",
    r"\(#[\w.]{1,32}\s{0,4}=\s{0,4}[(@#'\"n]",
    r"#context\s{0,4}\[",
    r"#(?:parameters|request|response|session|attr|application)\s{0,4}[.\[]\s{0,4}['\"\w]",
    r"%\{\s{0,4}(?:[(#@]|[0-9]{1,6}\s{0,4}[*+-])",
    r"\bclass\s{0,4}[.\[]['\"]?\s{0,4}(?:module|classLoader|protectionDomain)\b",
    r"\bXMLDecoder\b\s{0,4}\(",
    r"\bjava\.lang\.(?:Runtime|ProcessBuilder|reflect|ClassLoader|Thread)\b",
    r"\bjava\.(?:net|util)\.(?:URLClassLoader|Scanner)\s{0,4}\(",
    r"\bsun\.misc\.Unsafe\b",
    r"\bjdk\.jshell\b",
    r"\bmembers?Access\.",
    r"\bdefineClass\s{0,4}\(",
    r"\bredirect(?:Action)?:\s{0,4}[%$]\{",
    r"\baction:\s{0,4}%\{",
    r"\bjndi:(?:ldaps?|rmi|dns|iiop|nis|corba|nds|https?)\b",
    r"\bmethod:[#%]",
    (
        r"\bjava\.io\.(?:File(?:Reader|InputStream|OutputStream|Writer)?|BufferedReader|InputStreamReader"
        r"|ObjectOutputStream|ObjectInputStream|PrintWriter)\s{0,4}\("
    ),
    r"\b(?:ognl|mvel2?|spel|beanshell|bsh)\.[A-Z]\w{1,32}\s{0,4}[.(]",
)
"""Java, and OGNL, SpEL, MVEL."""
NODE: Final = (
    (
        r"\brequire\s{0,4}\(\s{0,4}[\"'`](?:node:)?(?:child_process|fs|os|http|https|net|vm|cluster|worker_threads"
        r"|process|dns|path|crypto|util)[\"'`]\s{0,4}\)"
    ),
    (
        r"\b(?:global\.)?process\s{0,4}(?:\.|\[\s{0,4}[\"'])\s{0,4}(?:mainModule|binding|exit|kill|env|argv|dlopen"
        r"|abort|_load|getBuiltinModule|constructor)\b(?:[\"']\s{0,4}\])?\s{0,4}(?:[.(\[;,})]|$)"
    ),
    r"\bchild_process\b\s{0,4}[.\"')\]]",
    r"\b(?:execSync|spawnSync|execFileSync|readFileSync|readdirSync|writeFileSync)\s{0,4}\(",
    r"\b(?:global|globalThis|this|root)\s{0,4}\.\s{0,4}(?:process|constructor\.constructor|mainModule|require)\b",
    r"\bconstructor\s{0,4}(?:\.\s{0,4}constructor|\[\s{0,4}[\"']constructor[\"']\s{0,4}\])",
    r"\bconstructor\s{0,4}\(\s{0,4}[\"'`](?:return|throw|this|process|import|console|alert|while|eval)",
    r"\bnew\s{1,4}Function\s{0,4}\(\s{0,4}[\"'`]",
    r"(?:^|[;(=,\s])(?:Function|setTimeout|setInterval)\s{0,4}\(\s{0,4}[\"'`][^\"'`]{0,64}[(=;]",
    r"\bimport\s{0,4}\(\s{0,4}[\"'`](?:node:)?(?:fs|child_process|os|net|http)",
    r"\bmodule\.(?:constructor|parent|paths)\b",
    r"\bModule\._(?:load|resolveFilename|extensions)",
    r"\bDeno\.(?:run|Command|readTextFile|env)",
    r"\bBun\.(?:spawn|file)",
    r"(?:^|[;&|)\s])res\.(?:end|send|write)\s{0,4}\(",
    r"\bMath\.constructor",
    r"\bReflect\.(?:construct|get|apply)\s{0,4}\(",
    r"\bvm\.run\w{1,24}\s{0,4}\(",
)
"""JavaScript on a server."""
PYTHON: Final = (
    r"\b__import__\s{0,4}\(",
    (
        r"\b__(?:builtins|globals|subclasses|mro|bases?|class|import|reduce(?:_ex)?|getattribute|code|loader|spec"
        r"|dict)__\b\s{0,4}[.\[(),]"
    ),
    (
        r"\b(?:eval|exec)\s{0,4}\(\s{0,4}(?:compile|__import__|input|open|base64|codecs|bytes|chr|[\"']{1,3}(?:__"
        r"|import))"
    ),
    (
        r"\bos\s{0,4}\.\s{0,4}(?:system|popen\d?|exec[lv]p?e?|spawn[lv]p?e?|listdir|environ|remove|unlink|getcwd"
        r"|fork|kill|dup2)\b\s{0,4}[\[(.]"
    ),
    r"\bsubprocess\s{0,4}\.\s{0,4}(?:Popen|call|run|check_output|check_call|getoutput|getstatusoutput)\s{0,4}\(",
    r"\bimportlib\.import_module\s{0,4}\(",
    (
        r"\b(?:pty\.spawn|commands\.getoutput|platform\.popen|ctypes\.CDLL|pickle\.loads|marshal\.loads|yaml\.load"
        r"|builtins\.\w{1,16}|sys\.modules\s{0,4}\[|code\.interact|pdb\.set_trace|runpy\.run)\b"
    ),
    r"\b(?:globals|locals|vars)\s{0,4}\(\s{0,4}\)\s{0,4}\[",
    r"\bopen\s{0,4}\(\s{0,4}[\"'](?:/etc|/proc|/root|/home|/flag|\.\./|C:)[^\"']{0,128}[\"']",
    r"\bimport\s{1,4}(?:os|subprocess|socket|pty|sys)\s{0,4}(?:;|,\s{0,4}(?:os|subprocess|socket|pty|sys)\b)",
    r"\bgetattr\s{0,4}\(\s{0,4}__",
    r"\bbreakpoint\s{0,4}\(\s{0,4}\)",
)
"""Python."""
RUBY: Final = (
    (
        r"\b(?:Kernel|IO|Open3|PTY|Process|ObjectSpace)\s{0,4}\.\s{0,4}(?:exec|system|popen\d?\w{0,2}|spawn|fork"
        r"|open|read|binread|capture\w{0,4}|each_object|syscall|eval|send)\b\s{0,4}[( \"'`]"
    ),
    r"(?:^|[=;({\[\s#])%x\s{0,4}[\[({|!/'\"`]",
    r"\bFile\s{0,4}\.\s{0,4}(?:open|read|readlines|write|delete)\s{0,4}\(?\s{0,4}[\"'`]?/",
    r"\b(?:instance|class|module)_eval\b",
    r"\bDir\s{0,4}(?:\.\s{0,4}(?:entries|glob|foreach|children)|\[)\s{0,4}\(?\s{0,4}[\"'`]",
    r"\b(?:Object|Class|self)\s{0,4}\.\s{0,4}(?:const_get|send|public_send|instance_variable_get)\s{0,4}\(",
    r"\bERB\.new\s{0,4}\(",
    r"\bMarshal\.load\b",
    r"\bYAML\.(?:unsafe_)?load\b",
    r"\bGem::(?:Requirement|Installer|SpecFetcher)",
    r"\brequire\s{0,4}[\"'](?:socket|open3|open-uri|pty|net/http|fileutils)[\"']",
)
"""Ruby."""
PERL: Final = (
    r"@\{\s{0,4}\[\s{0,4}[^\]\s]",
    r"\bqx\s{0,4}[{(\[|/!'\"]",
    r"(?:^|[;{(\s])(?:system|exec)\s{1,4}[\"'][\w./-]{1,64}",
    r"\bopen\s{0,4}\(?\s{0,4}(?:my\s{1,4})?[\w$]{1,16}\s{0,4},\s{0,4}[\"']\s{0,4}[|<>-]",
    r"\buse\s{1,4}(?:Socket|IO::Socket|POSIX|Inline)\b",
    r"\$ENV\{",
    r"\bCORE::\w{1,16}\s{0,4}\(",
    r"\bDBI->connect\b",
    r"\beval\s{0,4}\{",
    r"\bperl\s{1,4}-[a-zA-Z]{0,4}e\b",
)
"""Perl."""
OTHER: Final = (
    r"\bos\.execute\s{0,4}\(",
    r"\bio\.popen\s{0,4}\(",
    r"\bloadstring\s{0,4}\(",
    r"\bResponse\.(?:Write|BinaryWrite)\s{0,4}\(",
    r"<%\s{0,4}(?:eval|execute)\b",
    r"\b(?:Server\.)?CreateObject\s{0,4}\(\s{0,4}[\"'](?:WScript|Shell|Scripting|ADODB|MSXML)",
    r"\bWScript\.Shell\b",
    r"\bnew\s{1,4}ActiveXObject\s{0,4}\(",
    r"\bSystem\.(?:Diagnostics\.Process|Reflection\.Assembly|IO\.File)\b\s{0,4}[.(]",
    r"\bProcess\.Start\s{0,4}\(",
    r"\bAssembly\.Load\w{0,8}\s{0,4}\(",
    r"<cf(?:execute|file|include)\b",
    r"\bNew-Object\s{1,4}(?:System\.)?Net\.WebClient",
    r"\bIEX\s{0,4}\(",
    r"\bDownload(?:String|File)\s{0,4}\(",
    r"\[System\.(?:Reflection|Diagnostics|Convert|Text)\b",
)
"""Lua, ASP, VBScript, .NET, ColdFusion, PowerShell."""
ENDLESS: Final = (
    (
        r"(?:^|[;'\"}])\s{0,4}(?:while|for)\s{0,4}\(\s{0,4}(?:[Tt]rue|1|!0|![!+-]{0,4}(?:0|\[\])|!!\[\]|!!1|!false"
        r"|this|new\s{1,4}Date|;;|;\s{0,4};)\s{0,4}\)"
    ),
)
"""Loops that do not end."""
