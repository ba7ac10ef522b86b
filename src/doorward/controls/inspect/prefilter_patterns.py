r"""What the prefilter looks for: data. Wider than the judges, each pattern with the class that must then look.

Bytes of UTF-8, without regard to case; `.` matches every byte, `\x22` stands for the double quote.
"""

from typing import Final

from doorward.controls.inspect.verdict import THREATS, Threat

DECODE: Final = 1 << 30
r"""The text holds something that has further readings (`%41`, `\u0041`, `&lt;`, full-width letters)."""
BIT: Final[dict[Threat, int]] = {threat: 1 << index for index, threat in enumerate(THREATS)}
"""The bit of each class."""

_S: Final = r"(?:\s|/\*.*\*/|[()+~!@-])*"
EVERYWHERE: Final[tuple[tuple[int, str], ...]] = (
    (DECODE, r"%u?[0-9a-f]{2}"),
    (DECODE, r"&(?:#|lt|gt|quot|apos|colon|lpar|tab|newline)"),
    (DECODE, r"\\[ux][0-9a-f{]"),
    (DECODE, r"\xef[\xbc\xbd]"),
    (DECODE, r"\xe2\x80[\x98\x99]|\xca\xbc|\xe2\x88[\x95\x96]|\xe2\x81\x84"),
    # SQL: out of a single-quoted string and on
    (
        BIT["sql"],
        r"['`]" + _S + r"(?:x?or|and|union|like|in|is|not|having|group|order|limit|div|mod|rlike|regexp|into"
        r"|between|exec|execute|select|where|procedure|waitfor|if|then|end|returning|offset|collate|sounds)\b",
    ),
    (BIT["sql"], r"['`][\s()]*(?:--|#|/\*|;|\|\||&&|[-+*/%^<>=,|&~!])"),
    # SQL: as it stands
    (
        BIT["sql"],
        r"\b(?:x?or|and|having|when|where)\b"
        + _S
        + r"(?:['\x22]|['`\x22\w*./%-]+['`\x22]?"
        + _S
        + r"(?:=|<|>|!=|like\b|between\b|in\b|is\b|rlike\b|regexp\b))",
    ),
    (
        BIT["sql"],
        (
            r"\b(?:union|select|insert|delete|update|drop|truncate|alter|create|exec|execute|declare|waitfor"
            r"|shutdown|merge|grant|revoke|replace|copy|call|handler|load|set|backup|bulk)\b.*(?:[;*(=#/\x22`|<>]|--)"
        ),
    ),
    # NUL and the no-break space part words for the lexer, as they do for some databases, but are no `\s` here.
    (BIT["sql"], r"\x00|\xc2\xa0|\bcase\s+when\b"),
    (
        BIT["sql"],
        (
            r"(?:\b|[0-9])union\b[\s(]*(?:all|distinct|select|/)|\b(?:intersect|minus|except)\s+(?:all\s+)?select\b"
            r"|\bprocedure\s+analyse|\$\$[\s)]*[;a-z]|\bselect\b.*\bfrom\b|\bdrop\s+(?:table|database)"
        ),
    ),
    (
        BIT["sql"],
        r"\b(?:declare|exec|execute|set)\s+(?:@|xp_|sp_|master|immediate)|\b(?:create|alter|truncate|drop)\s+\w+\s+\w",
    ),
    (BIT["sql"], r"(?:\|\||&&)\s*[\w'\x22(]+\s*[=<>]|\b(?:rlike|regexp|in|like|between|mod|div)\s*\(?\s*\w+\s*\("),
    (BIT["sql"], r"\b(?:order|group)\s+by\s+\d|\bhaving\s+\d|\bwaitfor\s+(?:delay|time)\b|\binto\s+(?:out|dump)file\b"),
    (
        BIT["sql"],
        (
            r"\b(?:sleep|benchmark|pg_sleep|load_file|extractvalue|updatexml|randomblob|dbms_\w+|utl_\w+"
            r"|xp_\w+|sp_\w+|char|chr|concat|ascii|substr|substring|convert|cast|i?if|ifnull|isnull|json_extract"
            r"|jsonb_\w+|bfilename|repeat|elt|version|database|user"
            r"|current_user|system_user|exists|case|sqlite_version|ctxsys|ordsys|xmltype|make_set|lower|hex|unhex|len"
            r"|length"
            r"|count|password|md5|sha1|mid|bin|ord)\s*[(.]"
        ),
    ),
    (BIT["sql"], r"@@\w|/\*!|\binformation_schema\b|\bsysobjects\b|\bsyscolumns\b|\bpg_catalog\b|\bsqlite_master\b"),
    (BIT["sql"], r"^[\s)'`\x22]*(?:;|--|#|/\*)"),
    (BIT["sql"], r",\s{0,8}\(?\s{0,8}(?:null|select)\b"),
    (BIT["sql"], r";\s*(?:--|#|/\*)"),
    (BIT["sql"], r"--\s*$"),
    (BIT["sql"], r"#\s*$"),
    (BIT["sql"], r"\*/"),
    (BIT["sql"], r"\b(?:or|and)\s+(?:true|1|not|exists)\b"),
    # markup and script
    (
        BIT["xss"],
        (
            r"<[\s\x00/!?a-z%&]|\xc2\xbc/?[a-z]|!\[\]|\+\[\]|\b(?:alert|prompt|confirm"
            r"|eval)\s{0,4}[)\]]\s{0,4}[(\[]|\bonerror\s?:"
            r"|\+adw[-a]|&#x?0{2}"
        ),
    ),
    (BIT["xss"], r"\bon[a-z]+[\s\x00/]*="),
    (
        BIT["xss"],
        (
            r"(?:j\s*a\s*v\s*a|v\s*b|l\s*i\s*v\s*e)\s*s\s*c\s*r\s*i\s*p\s*t\s*:|data\s*:[^,]*(?:html|xml|svg|script"
            r"|base64)"
        ),
    ),
    (
        BIT["xss"],
        (
            r"\b(?:alert|prompt|confirm|eval|atob|fetch|import|require|settimeout|setinterval|setimmediate|function"
            r"|execscript|escape|unescape|fromcharcode|write|writeln|constructor|open|print|location"
            r"|src)\s*(?:[(`=\[?]|\.\s*(?:call|apply|bind))"
        ),
    ),
    (BIT["xss"], r"\b(?:document|window|self|top|parent|this|frames|globalthis|location|cookie)\s*[.\[]|\$\{.*\}"),
    (
        BIT["xss"],
        (
            r"&\{\s{0,8}\w{1,16}\s{0,4}\(|\b(?:src|href|action|data)\s{0,8}=\s{0,8}[\x22']?\s{0,8}(?:java|vb)script:"
            r"|charset\s{0,8}="
        ),
    ),
    (
        BIT["xss"],
        (
            r"\.\w{3,10}\s{0,4}\(\s{0,4}(?:alert|eval|prompt|confirm|print|fetch)\s{0,4}[,)]|=\s{0,4}(?:eval|alert"
            r"|prompt"
            r"|confirm|function)\s{0,4}[;,]"
        ),
    ),
    (BIT["xss"], r"\bon[a-z]{2,32}[^\w\s<>=]{1,40}="),
    (BIT["xss"], r"expression\s*\(|-moz-binding|behaviou?r\s*:|@import"),
    # shells
    # One pattern a sign: Hyperscan looks for lone bytes faster than for a class of them.
    *((BIT["command"], sign) for sign in (";", r"\|", "&", r"\n", r"\r", "`")),
    (BIT["command"], r"\$[({'\x22+a-z@*#?!0-9]"),
    (BIT["command"], r"[<>]\s*[(&/\w]"),
    (BIT["command"], r"\^\w|\\[nr][a-z/]|<\?"),
    (BIT["command"], r"\bif\s+(?:/i\s+)?(?:not\s+)?(?:exist|defined|errorlevel)\s|\s(?:equ|neq|lss|leq|gtr|geq)\s"),
    (BIT["command"], r"%[^\s%]{1,16}\s+in\s*\("),
    (
        BIT["command"],
        (
            r"\b(?:cmd|powershell|pwsh|bash|sh|zsh|python|perl|ruby|php|node|nc|ncat|netcat|curl|wget)(?:\.exe"
            r"|[0-9.]{0,4})?\s+[-/]"
        ),
    ),
    (
        BIT["command"],
        (
            r"^[\s'\x22]*(?:/bin/|/usr/|/sbin/|system|exec|passthru|shell_exec|popen|proc_open|phpinfo|kernel|import"
            r"|os\.|subprocess"
            r"|require|__import__|runtime|\()|(?:\b(?:system|exec|passthru|popen|spawn|shell_exec|getruntime)"
            r"|%x)\s*[(\x22'\[{]"
        ),
    ),
    (
        BIT["command"],
        (
            r"^\s*(?:ls|rm|ping|find|ps|cat|tail|head|id|chmod|chown|wget|kill|nc|uname|nslookup|dig|crontab"
            r"|shutdown|useradd|telnet|nmap)\s+[-/+~*.0-9a-z]"
            r"|^\s*-(?:o\s*proxycommand|-[a-z-]{3,24}[= ])|(?:/etc|/home|/root|/proc|/tmp|/var/|passwd|shadow"
            r"|boot\.ini|\\sam\b|c:"
            r"|%[a-z]{3,24}%)"
        ),
    ),
    # paths
    (
        BIT["traversal"],
        (
            r"%%3[25]|%(?:25){0,3}(?:c[01]|e0|f[08c])|0x(?:2[ef]|5c)|\.[\xe2\xee\xef]|^[\x00-\x20]*\.[a-z]"
            r"|\.[\s\x00-\x1f]?[./\\]|\.\.|\x00"
            r"|[/\\]\.|\b[0-9]f(?:etc|boot|win)|\?\?[/\\]"
        ),
    ),
    (
        BIT["traversal"],
        (
            r"(?:^|[\s=:'\x22(,;|\\/])[/\\]{1,3}(?:etc|proc|root|var|usr|home|opt|dev|sys|boot|bin|sbin|tmp|lib|srv"
            r"|mnt|www|apache"
            r"|apache2|private|library|volumes|system|windows|winnt|program|xampp|inetpub|logs|log|nginx|httpd|mysql"
            r"|web|local|usr1"
            r"|php|php4|php5)\b"
        ),
    ),
    (
        BIT["traversal"],
        (
            r"(?:^|[^a-z])[a-z]:[/\\]{1,4}\w|\\\\[\w.?]+\\|\b(?:file|data|php|zip|phar|expect|netdoc|glob|ogg|rar|zlib"
            r"|compress\.(?:zlib|bzip2)"
            r"|jar:[a-z]{2,5}):/|[/\\]etc[/\\]|\xef\x80\xa5|\xee\xbf\x88|boot\.ini|win\.ini|web-inf|meta-inf|passwd"
            r"|\.htaccess|\.ssh"
        ),
    ),
    # document stores
    (
        BIT["nosql"],
        (
            r"\$(?:ne|eq|gt|lt|nin|in|n?or|and|not|exists|type|expr|jsonschema|mod|regex|text|where|all|elemmatch"
            r"|size|function|accumulator|lookup"
            r"|search|comment|natural|slice|meta|rename|unset|inc|push|pull|set|options|near|geo|within|box|bits|out"
            r"|merge|union|facet|project|match|group|graph|query|orderby|explain|bucket|sample"
            r"|unwind|redact|func)"
        ),
    ),
    (
        BIT["nosql"],
        (
            r"(?:[;,]|&&|\|\|)\s{0,8}(?:return\b|this\.|db\.|sleep\s{0,4}\(|function\s{0,4}\(|while\s{0,4}\(|(?:var"
            r"|let)\s|it=new|do\s{0,4}\{)"
        ),
    ),
    (
        BIT["nosql"],
        r"'\s{0,8}(?:\|\||&&)",
    ),
    (
        BIT["nosql"],
        r"\}\s{0,4},\s{0,4}\{\s{0,4}['\w$]",
    ),
    (
        BIT["nosql"],
        r"\}\s{0,4}[\])]\s{0,4},\s{0,4}\$",
    ),
    (
        BIT["nosql"],
        r"^\s{0,8}(?:\|\||&&|(?:return\s+\(?\s*)?this\.|function\s*\w*\s*\(|\(\)\s*=>)",
    ),
    (
        BIT["nosql"],
        (
            r"\bmatch\s+\(|\bload\s+csv\b|\bcall\s+(?:db|apoc)|\ballow\s+filtering|\breturn\s.*\bunion\b|\bdb\.\w+[.(]"
            r"|\bthis\.\w+\.(?:match|charat|substr|startswith|length)|\btojson|\bthis\.constructor|\bobject\.keys\(this"
        ),
    ),
    # directories
    (
        BIT["ldap"],
        (
            r"\(\s{0,4}(?:objectclass|objectcategory|useraccountcontrol|samaccounttype|userpassword)\W|^[\s(]{0,4}[&"
            r"|!]?\([a-z]{1,24}=\*"
            r"|\)\)+\s{0,4}(?:\x00|%00)|\([\s]{0,4}[&|!]|\)[\s)]{0,8}[&|!]?\s{0,4}\(|\*\s{0,4}\)|=\s{0,4}\*\s{0,4}\)"
            r"|\*\(\s{0,4}\)?[|&!]|^\)"
            r"|^%(?:2[1689a]|7c|5c|00)$"
        ),
    ),
    # queries over XML
    (
        BIT["xpath"],
        r"\b(?:ancestor|attribute|child|descendant|following|namespace|parent|preceding|self)[a-z-]{0,16}\s{0,4}::",
    ),
    (
        BIT["xpath"],
        (
            r"\(\s{0,4}(?:\.{0,2}/|@\w|\*\s{0,4}[)\[/]|node\(\)|text\(\)|comment\(\)|name\(|string\()"
            r"|\]\s{0,8}\||\|\s{0,8}/|^\s{0,8}//?\*|//[\w*-]{1,32}\["
        ),
    ),
    (BIT["xpath"], r"\b(?:doc|document|doc-available|unparsed-text|collection)\s{0,4}\(\s{0,4}[\x22']"),
    (BIT["xpath"], r"'[\s)\]]{0,8}(?:(?:x?or|and)\s.*(?:\(|//|@|\.\s{0,4}=)|\|)"),
    # template engines
    (
        BIT["template"],
        (
            r"\{\{|[$#*@~%]!?\{|\{%|<%|\[\[\s{0,4}\$\{|\{[0-9'$(]|@\(|@(?:html\.raw|datetime\.now|system\."
            r"|process\.start|appdomain|environment\.)|[<\[]#[a-z]|\{/?(?:php|system|self|include|fetch"
            r"|literal|if\s|smarty|eval|math|function)"
        ),
    ),
    (
        BIT["template"],
        (
            r"#(?:set|foreach|evaluate|parse|include|macro)\s{0,4}\(|\$(?:class|context|request|x|e|s|stack|esc|tools?"
            r"|application)\.[a-z]|^\s{0,4}[-=]\s{1,4}(?:var|root|global|process|require)|__\$\{|::\.x\b"
        ),
    ),
    # machines that are not the client's to reach
    (
        BIT["ssrf"],
        (
            r"[/\\]{2}\s{0,4}(?:[^/\s\x22]*@)?(?:[0-9\[%$`]|localhost|loopback|ip6-|metadata|instance-data"
            r"|kubernetes|rancher-metadata|host\.docker|gateway\.docker|lvh\.me|vcap\.me|lacolhost|localtest)"
            r"|[/\\]{2}[^/\s\x22]*(?:[@\\$`#]|[\x80-\xff]|\.(?:localhost|localtest|lvh|vcap|nip|sslip|xip"
            r"|traefik|backname|svc|rbndr|1u|rebind|r3dir|ceye|dnslog|burpcollaborator|oastify|interact|oast"
            r"|requestrepo|interactsh)\b)"
        ),
    ),
    (
        BIT["ssrf"],
        (
            r"\.(?:rbndr\.us|1u\.ms|rebind\.|r3dir\.|ceye\.io|dnslog\.|burpcollaborator|oastify|interact(?:sh)?\."
            r"|oast\.|requestrepo"
            r"|nip\.io|sslip\.io|xip\.|localtest\.me|lvh\.me|vcap\.me|traefik\.me|backname\.io)|\b(?:https?|ftps?"
            r"|wss?|url|rtmp|feed|rsync|git|svn|sip|nntp):(?:[/\\]{0,8}[0-9\[]|[^\s/@\x22]{1,64}@[0-9\[]|https?:|[/\\]{3})"
            r"|[/\\]{2}[a-z][a-z0-9.-]{0,62}:(?:2[2-9]|2[0-9]{3}|389|445|3306|3389|5[0-9]{3}|6379|6443|7001"
            r"|8[0-9]{3}|9[0-9]{3}|1[0-9]{4}"
            r"|27017|50070)\b|://[^\s/]{1,128}[ \t]{1,4}[&#]?@"
        ),
    ),
    (
        BIT["ssrf"],
        (
            r"\b(?:gophers?|dict|tftp|netdoc|ldap[is]?|rmi|iiop|jar|local.file|expect|phar|sftp|smb|view-source|redis"
            r"|memcached|afp|rtsp|telnet|imap|pop3):"
            r"|^[\s'\x22]{0,8}(?:0x[0-9a-f]{2,8}\.|0[0-3][0-7]{2}\.|169\.254|metadata\.|100\.100|192\.0\.0|localhost"
            r"|127\.|\[::)|(?:0{1,4}:){5}"
        ),
    ),
    # parsers of XML
    (
        BIT["xxe"],
        (
            r"\]\]>|^[\s'\x22]{0,4}[&%][a-z_][a-z0-9_.-]{0,31};[\s'\x22]{0,4}$|<!(?:entity|doctype|attlist|element"
            r"|notation|\[cdata)|<(?:\w{1,16}:)?include\s|xinclude|<xsl:"
            r"|<\?xml-stylesheet|xsl:version|=\s{0,4}[\x22'](?:java|clitype|alias):"
            r"|php\.net/xsl|xml\.apache\.org/|saxon\.sf|exslt\.org|icl\.com/saxon|schemas-microsoft-com:xslt"
            r"|oracle\.com/xsl|<(?:msxsl|xalan|lxslt|exploit|exsl):|php:function|unparsed-text|\bdocument\s{0,4}\("
            r"|system-property|\brt:"
            r"|>\s{0,64}[&%][a-z]{3,16}[0-9]?\s{0,2};"
        ),
    ),
    # line breaks that end more than a line
    (
        BIT["crlf"],
        (
            r"%(?:25){0,2}0[da]|%(?:25){0,2}e5%(?:25){0,2}98|%(?:25){0,2}u(?:000|560)|c0%8|\\r|\\n|\\x0|\\u000|0x0[da]"
            r"|&#(?:1[03]|x0?[ad]);|\xe5\x98[\x8a\x8d]"
        ),
    ),
    (
        BIT["crlf"],
        (
            r"(?:[\r\n]|\xc2\x85|\xc4[\x8a\x8d]"
            r"|\xe2\x80[\xa8\xa9])[\s\x00]{0,8}(?:[a-z][a-z0-9-]{1,48}[\s\x00]{0,8}(?::|%3a)|http/"
            r"|<|rcpt|mail from|ehlo|helo|data|quit|rset|[a-z][0-9]{1,4}\s|slaveof|replicaof|flush|bgsave|config|eval"
            r"|(?:set|add|get|delete|stats|incr|post)\s|\*[0-9]|\[?(?:info|warn|error|debug|notice|critical|fatal"
            r"|alert|[0-9]))|[\s+]http/1\.[01]\s{0,4}[\r\n]"
        ),
    ),
    # objects of JavaScript
    (BIT["prototype"], r"__(?:proto|define|lookup)|constructor"),
    # serialised objects
    (
        BIT["deserialization"],
        (
            r"ro0ab|aced0005|\xc2\xac\xc3\xad|aaeaaad/|typeconfuse|objectdataprovider|\$type|clr-namespace"
            r"|[oc]:\+?[0-9]{1,4}:|c(?:os|posix|nt|__builtin__|builtins|subprocess|commands|sys|runpy|pty)[\r\n]"
            r"|!!python|yaml\.org,2002|gasv|ga[jnr][jy]"
            r"|y(?:29zc|3bvc2l4|19fynvp|2j1awx0|3n1ynby)|\\x80\\x0|!ruby/|\x04\x08|\\x04\\x08|bah(?:bc|vo|7[bc])"
            r"|_\$\$|!!(?:javax?"
            r"|com|org|ch|sun)\.|(?:com\.sun|sun|javax?|org\.\w+|ch\.qos|com\.\w+|oracle|net\.sf"
            r"|br\.com)\.\w+.*[\x22']"
        ),
    ),
    (
        BIT["deserialization"],
        (
            r"<(?:java|object)\s{1,8}class|<(?:java\.|dynamic-proxy|sun\.|com\.sun|javax\.|org\.apache|jdk\.)|<void\s"
            r"|xmldecoder|transformer|templatesimpl|badattributevalue|annotationinvocation|methodclosure"
            r"|convertedclosure"
            r"|jdbcrowset|beanfactory|xmlapplicationcontext|jndireforwarding|jndirefforwarding|propertypathfactory"
            r"|instantiatefactory|prototypefactory|forclosure|whileclosure|unicastremote|marshalledobject|jrmpclient"
            r"|ysoserial"
        ),
    ),
    (BIT["ssi"], r"<!--\s{0,4}#|<esi:|<!--esi|\$\(http_"),
    # programs
    (
        BIT["code"],
        (
            r"<\?|<%|\$_(?:get|post|request|cookie|server|files|env|session)|\$globals|\$\{|\$\w+\s{0,8}(?:\(|//|#"
            r"|/\*)|\(\s{0,4}\$\w+\s{0,4}\)|\(['\x22](?:system|exec|passthru|shell_exec|phpinfo|assert|popen|eval)"
            r"|auto_prepend_file|allow_url_include|disable_functions|safe_mode|open_basedir|preg_replace|(?:while"
            r"|for)\s{0,4}\(\s{0,4}(?:true|1|!|this|new|;)|@\{\s{0,4}\[|%\{|\(#|#(?:context|parameters|request"
            r"|response|session|attr|application)"
        ),
    ),
    (
        BIT["code"],
        (
            r"\b(?:eval|exec|system|passthru|shell_exec|popen|proc_open|pcntl_exec|phpinfo|phpversion|phpcredits"
            r"|php_uname|getcwd|getmyuid|get_current_user|print_r|var_dump|var_export|u?sleep|base64_decode|gzinflate"
            r"|str_rot13"
            r"|file_get_contents|file_put_contents|highlight_file|show_source|readfile|scandir|opendir|f?open|fwrite"
            r"|fputs|unlink|rmdir|chmod|move_uploaded_file|include(?:_once)?|require(?:_once)?|unserialize"
            r"|create_function|call_user_func(?:_array)?"
            r"|array_map|array_filter|usort|curl_exec|curl_init|ini_set|ini_get|putenv|getenv|debug_zval_refcount"
            r"|globals|locals|vars|execfile|settimeout|setinterval|setimmediate|importscripts|atob|syscall|parse_str"
            r"|function|echo|print|die|exit|compile|assert|chr"
            r"|fetch|load|puts|s?printf|md5|sha1|extract|implode|explode|glob|copy|rename|mkdir|touch|mail|input|dir"
            r"|import|__import__|getattr|breakpoint|iex|loadstring|cast|defineclass)\s*(?:[(\[]|/\*|#|//)"
            r"|\bconsole\s{0,4}[.\[]"
        ),
    ),
    (
        BIT["code"],
        (
            r"getruntime|processbuilder|class\.forname|getclass|scriptengine|getenginebyname|_memberaccess"
            r"|memberaccess|classloader|protectiondomain|class\s{0,4}[.\[]['\x22]?\s{0,4}module|xmldecoder"
            r"|java\.(?:lang|io|net|util)\.|@java|sun\.misc|jdk\.jshell|defineclass|redirect(?:action)?:|\baction:"
            r"|jndi:|method:[#%]"
            r"|\b(?:ognl|mvel2?|spel|beanshell|bsh)\.|\bprocess\s{0,4}[.\[]|child_process|execsync|spawnsync"
            r"|execfilesync|filesync|readdirsync|\b(?:global|globalthis|root|this)\s{0,4}\.\s{0,4}(?:process"
            r"|constructor|mainmodule|require)|constructor|new\s{1,4}function|module\.[_a-z]|deno\.|bun\.|\bres\."
            r"|reflect\.|vm\.run"
        ),
    ),
    (
        BIT["code"],
        (
            r"__\w+__|\bos\s{0,4}\.|subprocess|importlib|pty\.spawn|commands\.getoutput|platform\.popen|ctypes\."
            r"|pickle\.|marshal\.|yaml\.|builtins\.|sys\.modules|code\.interact|pdb\.|runpy\.|\bimport\s{1,4}(?:os"
            r"|subprocess|socket|pty|sys)\b"
            r"|\b(?:kernel|io|open3|pty|process|objectspace|file|dir|object|class|self)\s{0,4}\.\s{0,4}\w"
            r"|\bdir\s{0,4}\[|%x\s{0,4}[\[({|!/'\x22`]|_eval\b|erb\.new|gem::|\brequire\s{0,4}['\x22]"
            r"|\bqx\s{0,4}[{(\[|/!'\x22]|(?:system|exec)\s{1,4}['\x22]|\bopen\s|\buse\s{1,4}(?:socket|io::|posix"
            r"|inline)"
            r"|\$env\{|core::|dbi->|eval\s{0,4}\{|perl\s{1,4}-|response\.|createobject|wscript|activexobject"
            r"|system\.(?:diagnostics|reflection|io|convert|text)|process\.start|assembly\.load|<cf|new-object"
            r"|downloadstring|downloadfile"
        ),
    ),
)
OUTSIDE_JSON: Final[tuple[tuple[int, str], ...]] = (
    # A double quote is structure in JSON text; inside a JSON string it is always escaped.
    (
        BIT["sql"],
        r"\x22" + _S + r"(?:x?or|and|union|like|in|is|not|having|group|order|limit|div|mod|rlike|regexp|into"
        r"|between|exec|execute|select|where|procedure|waitfor|if|collate)\b",
    ),
    (BIT["sql"], r"\x22[\s()]*(?:--|#|/\*|;|\|\||&&|[-+*/%^<>=,|&~!])"),
    (BIT["xss"], r"[\x22'`\\][\s)\]}]*[-+*/%^<>=,|&~!?;:]"),
    (BIT["nosql"], r"\x22\s{0,8}(?:\|\||&&)"),
    (BIT["xpath"], r"\x22[\s)\]]{0,8}(?:(?:x?or|and)\s.*(?:\(|//|@|\.\s{0,4}=)|\|)"),
    (BIT["template"], r"\{\x22"),
    # Base64 whose groups decode to ASCII: of each group, the top bit of the three bytes is clear. Not in whole JSON
    # documents, where looking for it at every quote costs a third of the scan.
    (DECODE, r"^(?-i:(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]){3})"),
)
