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
        "regexp_substring", "rotateleft", "bit_shift", "bin_shl", "parse_data_size", "crypt_key", "generate_series",
        "user_lock", "inet_aton", "lo_get", "pg_read_binary_file", "xmlagg", "listagg", "dbms_random", "utl_smtp",
        "utl_tcp", "utl_file", "dbms_scheduler", "dbms_export_extension", "load_xml", "zipfile", "edit", "readfile",
        "convert_from", "loid", "xpath_exists", "query_to_xmlschema", "pg_stat_file", "pg_logdir_ls", "ts_stat",
        "jsonb_pretty",
        "bfilename", "name_const", "gtid_subset", "st_latfromgeohash", "polygon", "multipoint", "load_extension",
        "writefile",
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
        "user_lock",
        "dbms_random",
        "dbms_scheduler",
        "utl_smtp",
        "utl_tcp",
        "utl_file",
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
        "sys_context", "isnull", "repeat", "benchmark", "json_extract", "json_value", "json_query", "json_length",
        "row",
        "now", "sysdate", "current_timestamp", "pi", "ceil", "ceiling", "sign", "log", "ln", "pow", "rpad", "lpad",
        "space",
        "trim", "ltrim", "rtrim", "replace", "quote", "oct", "format", "field", "export_set", "uuid", "nvl", "decode",
        "to_char", "to_date", "rownum", "typeof", "total_changes", "changes", "glob", "printf", "unicode", "quotename",
        "parsename", "is_member", "has_dbaccess", "suser_name", "suser_sname", "db_id", "file_name", "type_name",
        "schema_name",
        "string_agg", "array_to_string", "unnest", "overlay", "encode", "bool", "array",
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
CLAUSES: Final = frozenset({"order", "group", "limit", "having", "procedure", "into", "for", "returning", "offset"})
"""Begin what may follow the conditions of a query."""
COMPARING: Final = frozenset(
    {"like", "in", "is", "between", "rlike", "regexp", "not", "div", "mod", "sounds", "collate"}
)
"""Words that stand between two operands."""
