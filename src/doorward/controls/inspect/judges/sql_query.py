"""SQL where SQL is expected: one statement that stays within the database.

Threat: CWE-89. A field that takes a query cannot be told from an injection by its grammar; what is judged is that it
is one statement, and that it reaches for no file, no program, no other machine and no sleep. Which database reads it is
not known: it is judged as each of them would read it.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from doorward.controls.inspect.judges.sql_readings import Token, readings
from doorward.controls.inspect.judges.sql_words import PACKAGES
from doorward.controls.inspect.verdict import Verdict

_REACHING: Final = PACKAGES | {
    "load_file", "xp_cmdshell", "xp_dirtree", "xp_regread", "xp_fileexist", "xp_subdirs", "sp_executesql",
    "sp_configure", "sp_makewebtask", "sp_execute_external_script", "sp_addextendedproc", "openrowset",
    "opendatasource", "openquery", "fn_trace_gettable", "fn_get_audit_file", "pg_stat_file", "pg_current_logfile",
    "loread", "lowrite", "utl_file", "utl_smtp", "utl_tcp", "httpuritype", "dbms_scheduler", "dbms_job", "dbms_sql",
    "dbms_advisor", "dbms_cloud", "dbms_xslprocessor", "bfilename", "load_extension", "writefile", "readfile",
    "fts3_tokenizer", "sleep", "benchmark", "query_to_xml", "database_to_xml", "sys_eval", "sys_exec",
}  # fmt: skip
_REACHING_PREFIXES: Final = ("dblink", "pg_read", "pg_ls_", "pg_file_", "pg_sleep", "lo_", "sp_oa", "xp_")
_PROCEDURES: Final = ("xp_", "sp_oa", "sp_execute", "sp_configure", "sp_addextendedproc", "sp_makewebtask")
"""Called without parentheses, by `exec` or at the start."""
_NAMING: Final = frozenset({"into", "table", "view", "index", "on", "exists", "references", "with", "only"})
"""After these a name before a parenthesis is no call."""
_PAIRS: Final = frozenset(
    {("into", "outfile"), ("into", "dumpfile"), ("waitfor", "delay"), ("waitfor", "time"), ("load", "data"),
     ("load", "xml"), ("attach", "database"), ("to", "program"), ("from", "program"), ("bulk", "insert"),
     ("vacuum", "into"), ("execute", "immediate"), ("create", "extension"), ("install", "plugin"),
     ("install", "component"), ("alter", "system"), ("set", "global"), ("set", "persist"), ("backup", "database"),
     ("backup", "log"), ("restore", "database"), ("restore", "log")}
)  # fmt: skip
_LANGUAGES: Final = frozenset({"c", "java", "plpythonu", "plpython2u", "plpython3u", "plperlu", "pltclu", "plsh"})
_OPERANDS: Final = frozenset({"word", "name", "string", "variable", "number", ")"})
"""Kinds of tokens that may end a statement, so that SQL Server begins the next one behind them without a semicolon."""
_CONNECTING: Final = frozenset(
    {"all", "and", "any", "as", "between", "by", "case", "deny", "distinct", "exists", "for", "from", "grant",
     "having", "in", "into", "is", "join", "key", "like", "not", "of", "on", "or", "revoke", "select", "set",
     "then", "to", "union", "values", "when", "where", "with"}
)  # fmt: skip
"""Words reserved in SQL Server that never end a statement."""
_BEFORE_FIRST: Final = frozenset({"begin", "describe", "explain", "show"})
"""Words before the first verb."""
_IN_DEFINITIONS: Final = frozenset({"after", "before", "do", "instead"})
"""Words before a verb in the definition of a trigger, rule or event."""
_OBJECTS: Final = frozenset(
    {"table", "database", "view", "procedure", "proc", "function", "schema", "user", "login", "role", "trigger",
     "type", "sequence", "assembly", "or", "unique", "clustered", "nonclustered"}
)  # fmt: skip
_ANY_NAME: Final = frozenset({"word", "name"})
_EXECUTED: Final = frozenset({"word", "name", "string", "variable", "("})


def judge(value: str) -> Verdict | None:
    """The verdict on a text that should be one query.

    >>> judge("select name from users where id = 1;"), judge("select 1; drop table users").reason
    (None, 'a second statement')
    >>> judge("select 1 drop table users").reason, judge('select "pg_read_file"(1)').reason
    ('a second statement', 'a query that calls pg_read_file')
    """
    for found in readings(value):
        reason = _reason(found)
        if reason:
            return Verdict("sql", reason, 90)
    return None


def _reason(found: list[Token]) -> str:
    while found and found[-1].kind == ";":
        found.pop()
    if any(token.kind == ";" for token in found) or any(_second_statements(found)):
        return "a second statement"
    if any(token.kind == "disguised" for token in found):
        return "a name written in escapes"
    before = Token("", "")
    for first, second in pairwise([*found, Token("", "")]):
        if (first.text, second.text) in _PAIRS and first.kind == second.kind == "word":
            return f"a query that says {first.text} {second.text}"
        if _is_reaching(before, first, second):
            return f"a query that calls {first.text}"
        if first == ("word", "language") and second.text.strip("'") in _LANGUAGES:
            return "a function in a language that reaches out of the database"
        before = first
    return _whole(found)


def _is_reaching(before: Token, name: Token, after: Token) -> bool:
    if name.kind not in _ANY_NAME:
        return False
    if name.text in _REACHING and after.kind in {"(", ".", "string", "variable"}:
        return True
    if after.kind == "(" and name.text.startswith(_REACHING_PREFIXES):
        return before.kind != "word" or before.text not in _NAMING
    return name.text.startswith(_PROCEDURES) and (
        not before.kind
        or before.text in {"exec", "execute", "call"}
        or (before.kind == "." and after.kind in {"string", "variable", "name", ""} and name.text in _REACHING)
    )


def _whole(found: list[Token]) -> str:
    """What the statement as a whole does that it should not, by the verb it begins with."""
    words = [token.text if token.kind == "word" else "" for token in found]
    kinds = [token.kind for token in found]
    verb = words[0] if words else ""
    if verb == "copy" and any(
        word in {"from", "to"} and kind == "string" for word, kind in zip(words, kinds[1:], strict=False)
    ):
        return "a query that copies a file"
    if (verb == "vacuum" and "into" in words) or (verb in {"attach", "load"} and kinds[1:2] in (["string"], ["name"])):
        return "a query that opens a file"
    if "soname" in words or (verb == "do" and "string" in kinds):
        return "a program"
    if verb in {"exec", "execute"} and kinds[1:2] in (["("], ["string"]):
        return "a query made of a text"
    if verb == "prepare" and words[2:3] == ["from"]:
        return "a query made of a text"
    return "a query that stops the server" if verb == "shutdown" else ""


def _second_statements(found: list[Token]) -> Iterator[int]:
    """Where a statement begins that no semicolon announces, as SQL Server reads it."""
    opening = found[0].text if found else ""
    depth = 0
    has_prefix = opening in {"with", "explain"}  # the verb that these introduce follows a parenthesis or a word
    for index in range(1, len(found)):
        before, token = found[index - 1], found[index]
        depth += (before.kind == "(") - (before.kind == ")")
        if depth or token.kind != "word" or token.text not in _VERBS or not _begins(found, index):
            continue
        if before.kind == "word" and (
            before.text in _CONNECTING
            or (index == 1 and before.text in _BEFORE_FIRST)
            or (opening in {"create", "alter"} and before.text in _IN_DEFINITIONS)
        ):
            continue
        if has_prefix and (opening == "explain" or before.kind == ")"):
            has_prefix = False
            continue
        if before.kind in _OPERANDS:
            yield index


_VERBS: Final = frozenset(
    {"drop", "create", "alter", "truncate", "insert", "delete", "update", "merge", "exec", "execute", "declare",
     "waitfor", "backup", "restore", "grant", "revoke", "deny", "bulk", "kill", "dbcc", "use", "shutdown",
     "reconfigure"}
)  # fmt: skip


def _begins(found: list[Token], index: int) -> bool:
    """Whether what follows the verb at `index` is what it needs."""
    verb, after = found[index].text, found[index + 1] if index + 1 < len(found) else Token("", "")
    is_word = after.kind == "word"
    if verb in {"drop", "create", "alter", "truncate"}:
        return is_word and (after.text in _OBJECTS or (after.text == "index" and found[0].text != "alter"))
    if verb in {"insert", "delete", "merge"}:
        return after.kind == "name" or (is_word and (after.text in {"into", "from"} or after.text not in _CONNECTING))
    if verb == "update":
        return (
            after.kind in _ANY_NAME
            and after.text != "set"
            and any(token == ("word", "set") for token in found[index + 2 : index + 12])
        )
    if verb in {"exec", "execute"}:
        return after.kind in _EXECUTED and after.text not in {"function", "procedure"}
    if verb == "declare":
        return after.kind == "variable"
    if verb in {"waitfor", "backup", "restore", "bulk"}:
        return (verb, after.text) in _PAIRS
    if verb in {"grant", "revoke", "deny"}:
        return is_word and any(
            token.kind == "word" and token.text in {"on", "to"} for token in found[index + 2 : index + 12]
        )
    if verb in {"shutdown", "reconfigure"}:
        return not after.kind or after.text == "with"
    return after.kind in {"word", "name", "number"} and after.text not in _CONNECTING
