"""SQL where SQL is expected: one statement that stays within the database.

Threat: CWE-89. A field that takes a query cannot be told from an injection by its grammar; what is judged is that it is
one query, and that it reaches for no file, no program, no other machine and no sleep.
"""

from itertools import pairwise

from doorward.controls.inspect.judges.sql_lexer import Token, tokens
from doorward.controls.inspect.judges.sql_words import PACKAGES
from doorward.controls.inspect.verdict import Verdict

_REACHING = PACKAGES | {
    "load_file", "xp_cmdshell", "xp_dirtree", "xp_regread", "sp_executesql", "sp_makewebtask", "sp_oacreate",
    "openrowset", "opendatasource", "pg_read_file", "pg_read_binary_file", "pg_ls_dir", "lo_import", "lo_export",
    "utl_file", "httpuritype", "dblink", "load_extension", "writefile", "readfile", "pg_sleep", "sleep", "benchmark",
    "query_to_xml", "database_to_xml", "sys_eval", "sys_exec",
}  # fmt: skip
_PAIRS = frozenset(
    {("into", "outfile"), ("into", "dumpfile"), ("waitfor", "delay"), ("waitfor", "time"), ("load", "data"),
     ("attach", "database"), ("to", "program"), ("from", "program")}
)  # fmt: skip


def judge(value: str) -> Verdict | None:
    """The verdict on a text that should be one query.

    >>> judge("select name from users where id = 1;"), judge("select 1; drop table users").reason
    (None, 'a second statement')
    """
    found = [token for token in tokens(value) if token.kind != "comment"]
    if any(token.kind == ";" for token in found[:-1]):
        return Verdict("sql", "a second statement", 90)
    for first, second in pairwise(found):
        if (first.text, second.text) in _PAIRS and first.kind == second.kind == "word":
            return Verdict("sql", f"a query that says {first.text} {second.text}", 90)
        if _is_reaching(first, second):
            return Verdict("sql", f"a query that calls {first.text}", 90)
    return None


def _is_reaching(name: Token, after: Token) -> bool:
    return name.kind == "word" and name.text in _REACHING and after.kind in {"(", ".", "string", "variable"}
