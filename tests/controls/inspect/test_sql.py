import pytest

from doorward.controls.inspect.judges import sql
from doorward.controls.inspect.judges.sql_lexer import breakout, tokens

ATTACKS = [
    "' OR 'a'='a",
    "x' or 1=1 --",
    "admin'--",
    "admin' #",
    "1 OR 1=1",
    "') OR ('1'='1",
    '" or ""="',
    "x' UNION SELECT name, secret FROM users --",
    "-1 UNION ALL SELECT NULL,NULL,@@version",
    "1; DROP TABLE accounts",
    "x'; DELETE FROM accounts WHERE 1=1 --",
    "1 AND SLEEP(5)",
    "1' AND (SELECT 1 FROM (SELECT SLEEP(5)) t) AND 'a'='a",
    "1; WAITFOR DELAY '0:0:5' --",
    "' || (SELECT password FROM users LIMIT 1) || '",
    "'+(select/**/1)+'",
    "1 ORDER BY 10 --",
    "' GROUP BY 1 HAVING 1=1 --",
    "1/*!50000UNION*//*!50000SELECT*/1,2",
    "x' AND extractvalue(1,concat(0x7e,version())) --",
    "'; EXEC xp_cmdshell 'dir' --",
    "\\' OR 1=1 --",
    "SELECT * FROM users WHERE id = 1;",
    "x' LIKE '%",
    "' collate nocase --",
    "1 or id::int=1 --",
]
HARMLESS = [
    "O'Brien",
    "Brien's or Hara's",
    "'twas the night before; it's late",
    "select the best union of both",
    "Select all that apply from the list below",
    "drop by the table",
    "delete from your memory the past",
    "update your profile and set a goal",
    "it's 5 o'clock -- or later",
    "5' or 6' tall",
    '6" -- deep',
    "rock 'n' roll & 'soul'",
    "2 + 2 = 4 and 3 + 3 = 6",
    "a = b and c = d",
    "(select one)",
    "order by 5 pm",
    "union of workers; table for two",
    "he said 'yes' and 'no'",
    'tag1="v1" and (tag2="v2" or tag3!="v3")',
    "-- signed, Ann",
    "#1 fan; #2 fan",
    "time.sleep(5)",
    "group by group",
    "where is it, and when?",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_text_that_goes_on_as_sql_is_an_attack(text: str) -> None:
    verdict = sql.judge(text)
    assert verdict is not None
    assert verdict.threat == "sql"


@pytest.mark.parametrize("text", HARMLESS)
def test_text_with_quotes_and_sql_words_is_not(text: str) -> None:
    assert sql.judge(text) is None


@pytest.mark.parametrize("text", ATTACKS)
def test_the_reason_does_not_repeat_the_text(text: str) -> None:
    verdict = sql.judge(text)
    assert verdict is not None
    assert text not in verdict.reason


def test_a_doubled_or_escaped_quote_stays_inside_the_string() -> None:
    assert breakout("it''s fine", "'") == -1
    assert breakout(r"it\'s fine", "'") == -1
    assert breakout("it's", "'") == 3


def test_a_comment_between_tokens_is_white_space() -> None:
    assert [token.text for token in tokens("un/**/ion/*x*/select")] == ["un", "ion", "select"]


def test_a_string_without_end_is_a_token_of_its_own() -> None:
    assert [token.kind for token in tokens("a 'b")] == ["word", "open"]
