"""Names that SQL texts are recognised by: functions, packages, catalogues, kinds of objects. Data only."""

from typing import Final

# Functions nobody writes in prose or in another language with the same arguments.
RARE_CALLS: Final = frozenset(
    {
        "pg_sleep", "benchmark", "extractvalue", "updatexml", "load_file", "xmltype", "randomblob", "make_set", "elt",
        "xp_cmdshell", "xp_dirtree", "xp_regread", "sp_executesql", "sp_password", "sp_makewebtask", "sp_oacreate",
        "openrowset", "opendatasource",
        "pg_read_file", "lo_import", "lo_export", "dbms_pipe", "utl_http", "utl_inaddr", "ctxsys", "dbms_lock",
        "dbms_ldap",
        "dbms_xmlgen", "dbms_utility", "dbms_java", "httpuritype", "sqlite_version", "group_concat", "row_count",
        "get_host_address", "current_database", "to_number", "pg_ls_dir", "dblink", "query_to_xml", "database_to_xml",
        "name_const", "gtid_subset", "st_latfromgeohash", "polygon", "multipoint", "load_extension", "writefile",
    }
)  # fmt: skip
PACKAGES: Final = frozenset(
    {
        "dbms_pipe",
        "dbms_lock",
        "dbms_ldap",
        "dbms_xmlgen",
        "dbms_utility",
        "dbms_java",
        "utl_http",
        "utl_inaddr",
        "ctxsys",
    }
)
# Functions that other languages and prose know too: they count in an expression only.
COMMON_CALLS: Final = RARE_CALLS | frozenset(
    {
        "sleep", "char", "chr", "concat", "ascii", "substr", "substring", "mid", "convert", "cast", "if", "ifnull",
        "iif",
        "version", "database", "schema", "user", "current_user", "session_user", "system_user", "exists", "case",
        "lower",
        "upper", "hex", "unhex", "len", "length", "count", "md5", "sha1", "sha2", "bin", "ord", "left", "right",
        "reverse",
        "coalesce", "nullif", "greatest", "least", "rand", "random", "power", "abs", "db_name", "host_name",
        "user_name",
        "password", "conv", "instr", "locate", "position", "strcmp", "floor", "round", "sqrt", "connection_id",
        "bitand", "raise_error", "procedure",
        "last_insert_id", "is_srvrolemember", "object_id", "cot", "crc32", "exp", "json_keys", "interval",
        "sys_context",
    }
)  # fmt: skip
SYSTEM_WORDS: Final = frozenset(
    {
        "information_schema", "sysobjects", "syscolumns", "sysdatabases", "pg_catalog", "pg_user", "pg_shadow",
        "sqlite_master",
        "msysobjects", "sysibm", "syscat", "all_tables", "all_users", "user_tables", "dba_users", "sys", "mysql",
    }
)  # fmt: skip
OBJECTS: Final = frozenset(
    {
        "table", "database", "schema", "view", "index", "user", "procedure", "function", "trigger", "sequence", "login",
        "role", "column", "extension", "package", "temporary", "temp", "or", "unique", "global",
    }
)  # fmt: skip
