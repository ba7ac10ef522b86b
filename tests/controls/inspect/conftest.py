import random
from collections.abc import Callable, Iterator

import pytest

FIRST = ["Siobhán", "Conor", "Mary-Jane", "José", "Zoë", "Łukasz", "Нина", "太郎", "أحمد", "D'Arcy", "Renée", "Björk", "Ngũgĩ", "Ana", "Ivo", "Selectra", "Union", "Andy", "Orla", "Like", "Max"]
LAST = ["O'Brien", "O'Neill", "D'Angelo", "M'Bappé", "L'Oréal", "Dell'Acqua", "N'Diaye", "O'Selects", "Smith-Jones", "Null", "True", "Van't-Hoff", "Öztürk", "Ó'Súilleabháin", "Table", "Drop", "Casey", "Insert", "Where", "Having", "Sleep", "Bash", "Cat", "Curl"]
NOUNS = ["union", "table", "group", "order", "selection", "cat", "script", "shell", "command", "user", "password", "root", "index", "view", "trigger", "column", "row", "value", "invoice", "dog", "weekend", "meeting", "house", "team", "report", "market", "river", "budget", "kitchen", "window", "function", "alert", "image", "frame", "form", "document", "location", "cookie", "path", "file", "home", "directory", "admin", "benchmark", "sleep", "delay", "execution", "comment", "case", "count"]
VERBS = ["select", "insert", "update", "delete", "drop", "create", "alter", "join", "grant", "execute", "declare", "like", "order", "group", "limit", "sleep", "wait", "load", "cut", "sort", "find", "kill", "touch", "make", "echo", "type", "print", "move", "copy", "read", "watch", "test", "start", "help", "mount", "ping", "cat", "tail", "head"]
ADJECTIVES = ["best", "final", "null", "true", "false", "new", "distinct", "all", "big", "open", "public", "3rd", "first", "empty", "late"]
PLACES = ["Paris", "London", "Łódź", "São-Paulo", "Québec", "Αθήνα", "Киев", "東京", "القاهرة", "Zürich", "Coeur-d'Alene", "Val-d'Isère"]
COMPANIES = [
    "AT&T",
    "Barnes & Noble",
    "Johnson & Johnson",
    "P&G",
    "H&M",
    "Procter & Gamble; Co.",
    "Ben & Jerry's",
    "C# Ltd",
    "R&D",
    'Toys"R"Us',
    "Yahoo!",
    "Marks & Spencer",
]
FOREIGN = [
    "L'été, c'est l'heure d'aller à l'école; n'est-ce pas ?",
    "Dell'amore e dell'arte: un'altra storia (parte 1)",
    "Der Preis beträgt 1.000,00 € -- inkl. MwSt.; Rückgabe möglich",
    "¿Qué hora es? ¡Son las 5! — dijo O'Connor",
    "Я люблю «Войну и мир» & чай; 50% скидка",
    "私は東京に住んでいます。1+1=2ですか？",
    "هل تريد الشاي أم القهوة؟ (نعم/لا)",
    "नमस्ते दुनिया — O'Reilly की किताब",
    "Het is 's morgens om 5 uur; 't regent",
    "Ça coûte 5€ | 6€ selon l'union choisie",
    "Qu'est-ce que c'est ? J'ai dit 'oui' ou 'non'.",
    "N'oubliez pas: select = choisir, drop = laisser tomber",
]
EMOJI = ["😀", "🎉", "❤️", "👍🏽", "🇫🇷", "👨\u200d👩\u200d👧", "<3", ":-)", ";-)", ":'(", "^_^", "¯\\_(ツ)_/¯", "o_O", "\\o/", ">_<", "(╯°□°)╯︵", "┻━┻"]
CODE = [
    "const total = items.filter(x => x.price > 10).length;",
    "if (a && b || !c) { return a < b ? 1 : 2; }",
    "for (let i = 0; i < n; i++) sum += i;",
    "def greet(name):\n    return f'Hello, {name}!'",
    "x = {'a': 1, 'b': [1, 2, 3]}",
    'print("it\'s", \'a "test"\')',
    'public static void main(String[] args) { System.out.println("hi"); }',
    "SELECT is a keyword; so are FROM and WHERE",
    "std::vector<int> v{1, 2, 3};",
    "List<Map<String, Integer>> rows = new ArrayList<>();",
    "let mut x: Option<&str> = None;",
    'func main() { fmt.Println("hello") }',
    "a = b if c else d  # ternary",
    'git commit -m "fix: don\'t crash"',
    "npm install && npm test",
    "pip install doorward",
    "docker run -p 8080:80 nginx",
    "kubectl get pods -n default | wc",
    "echo hello world",
    "{{ user.name }} and ${amount} and {% if x %}",
    "^[a-z]+(foo|bar)?$",
    "a.b.c = d.e(f)[0]",
    "type A = B | C | D;",
    "key: value\nother: [1, 2]\n",
    "<T extends Comparable<T>>",
    "#include <stdio.h>",
    "return x > 0 and y < 0 or z == 1",
    "query { user(id: 1) { name, friends { id } } }",
]
LISTS = [
    "id|name|email",
    "name; id; email",
    "a|b|c",
    "red | green | blue",
    "rock; paper; scissors",
    "x,y;y,z",
    "cut | color | clarity",
    "1 | 2 | 3",
    "sort=name;order=asc",
    "A & B & C",
    "q=1&r=2;s=3",
    "first, second; third",
    "Mon-Fri 9-5; Sat 10-2",
    "cats & dogs; birds",
    "tea;coffee;water",
    "date|time|host",
    "| id | name |\n|----|------|\n| 1  | cat  |",
    "more or less",
    "and/or",
    "either/or; neither/nor",
]
NUMBERS = [
    "6' 2\"",
    "5'10\" or 6'",
    "5' or 6' tall",
    '12" x 14"',
    "1/2",
    "1--2",
    "10 - 5 = 5",
    "2+2=4 and 3+3=6",
    "1 or 2",
    "50% or 60%",
    "$(100)",
    "$100 & up",
    "#1 fan",
    "C# 8.0",
    "no. 5; no. 6",
    "(555) 123-4567",
    "+44 20 7946 0958",
    "2024-01-31T12:00:00Z",
    "10:30-11:45",
    "192.168.0.1",
    "2001:db8::1",
    "A4 210x297",
    "3 < 4",
    "x > y",
    "a <= b",
    "-5..5",
    "1,234.56",
    "1e10",
    "v1.2.3-beta+build.5",
    "0x1F600",
    "50/50",
    "'90s",
    "rock 'n' roll",
    "the '80s and '90s",
]
PATHS = [
    "/api/v2/items/5",
    "docs/readme.md",
    "./build/output",
    "see ../README for more",
    "images/cat.png",
    "C:\\Users\\Ann\\Documents\\letter.docx",
    "/products/shoes",
    "a/b/c",
    "folder/sub folder/file (1).txt",
    "https://example.com/a/b?c=d&e=f#g",
    "https://example.com/search?q=select+a+plan&sort=asc",
    "mailto:ann@example.com?subject=Hi%20there",
    "ftp.example.com",
    "//cdn.example.com/x.js",
    "~ann/notes",
    "src/../lib",
    "...and so on",
    "wait... what?",
    "s3://bucket/key",
    "urn:isbn:0451450523",
    "file.tar.gz",
    "report.final.v2.pdf",
    "/home",
    "/login?next=%2Fdashboard",
    "100%",
    "50%25",
    "caf%C3%A9",
]
MARKUP = [
    "I <b>love</b> it",
    "<p>Hello <em>world</em></p>",
    '<a href="https://example.com/">link</a>',
    "<ul><li>one</li><li>two</li></ul>",
    "a<br>b<br/>c",
    '<img src="https://example.com/cat.png" alt="a cat">',
    "<h1>Title</h1>",
    "<your name here>",
    "<none>",
    "<ann@example.com>",
    "1 < 2 > 0",
    "&lt;b&gt; is bold",
    "Tom &amp; Jerry",
    "&copy; 2024",
    "<!-- a note -->",
    "<code>x = 1</code>",
    '<span class="on">on = 1</span>',
    "<3 you all",
]
MARKDOWN = [
    "# Title\n\n- one\n- two\n\n> quote\n\n**bold** and `code`",
    "Run `npm install` and then `npm start`.",
    "Use `ls -la` to list; use `cat file` to read.",
    "[link](https://example.com/a_(b))",
    "```\ncurl https://example.com/\n```",
    "1. Select a plan\n2. Order it\n3. Sleep (8 h)",
    "a | b\n--|--\n1 | 2",
    "---\ntitle: it's a test\n---\n",
    "* * *",
    "~~old~~ new",
    "Don't forget: `SELECT` isn't `UPDATE`!",
    "See [the docs](../docs/README.md).",
    "Dear all,\n\nfind attached the report; sort it by date.\nBest\nAnn",
    "Notes:\ncat food\ndate night\nmake dinner\nwho is coming?",
]
SENTENCES: list[Callable[[random.Random], str]] = [
    lambda r: f"{r.choice(FIRST)} {r.choice(LAST)} or {r.choice(FIRST)} {r.choice(LAST)}",
    lambda r: f"{r.choice(LAST)}'s {r.choice(NOUNS)}; {r.choice(NOUNS)} & {r.choice(NOUNS)}",
    lambda r: (
        f"{r.choice(VERBS).capitalize()} the {r.choice(ADJECTIVES)} {r.choice(NOUNS)} from the {r.choice(NOUNS)} where it is {r.choice(ADJECTIVES)}."
    ),
    lambda r: (
        f"Please {r.choice(VERBS)} {r.choice(NOUNS)} and {r.choice(VERBS)} {r.choice(NOUNS)}; it's {r.randint(1, 12)} o'clock -- or later"
    ),
    lambda r: f"{r.choice(VERBS)} {r.choice(NOUNS)} {r.choice(VERBS)} {r.choice(NOUNS)}",
    lambda r: f"{r.choice(NOUNS)} {r.choice(VERBS)}s {r.choice(NOUNS)} (see {r.choice(NOUNS)} {r.randint(1, 99)})",
    lambda r: f"'{r.choice(NOUNS)}' or '{r.choice(NOUNS)}'? I don't know, {r.choice(FIRST)}.",
    lambda r: f'She said "{r.choice(VERBS)} it" and he said "{r.choice(NOUNS)} = {r.randint(1, 9)}" - {r.choice(LAST)}',
    lambda r: f"{r.choice(NOUNS)}={r.choice(NOUNS)} and {r.choice(NOUNS)}!={r.choice(ADJECTIVES)}",
    lambda r: f"{r.choice(COMPANIES)} in {r.choice(PLACES)}, {r.randint(1, 999)} {r.choice(LAST)} St.",
    lambda r: (
        f"the {r.choice(NOUNS)}s' {r.choice(NOUNS)}, the {r.choice(NOUNS)}'s {r.choice(NOUNS)} and {r.choice(LAST)}'s {r.choice(NOUNS)}"
    ),
    lambda r: (
        f"{r.choice(VERBS).upper()} {r.choice(NOUNS).upper()}! {r.choice(VERBS).upper()} {r.choice(NOUNS).upper()}!!"
    ),
    lambda r: f"{r.choice(FOREIGN)} {r.choice(EMOJI)}",
    lambda r: f"{r.choice(NUMBERS)} {r.choice(NOUNS)} {r.choice(NUMBERS)}",
    lambda r: f"{r.choice(EMOJI)} {r.choice(NOUNS)} {r.choice(EMOJI)}",
    lambda r: r.choice(CODE),
    lambda r: f"{r.choice(LISTS)}",
    lambda r: f"{r.choice(PATHS)}",
    lambda r: f"{r.choice(MARKUP)} {r.choice(NOUNS)}",
    lambda r: r.choice(MARKDOWN),
    lambda r: f"{r.choice(NOUNS)} -- {r.choice(NOUNS)} #{r.choice(NOUNS)} @{r.choice(NOUNS)}",
    lambda r: (
        "".join(r.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k=r.randint(16, 160)))
        + "=="
    ),
    lambda r: "eyJ" + ".".join("".join(r.choices("ABCDEFabcdef0123456789-_", k=r.randint(16, 80))) for _ in range(3)),
    lambda r: f"{r.getrandbits(128):032x}"[:8] + "-" + f"{r.getrandbits(48):012x}",
    lambda r: f"{r.choice(FIRST)}.{r.choice(LAST)}@example.{r.choice(['com', 'org', 'io'])}".lower(),
    lambda r: (
        "".join(r.choices("aA1!?.,;:-_()[]{}#%&*+=~^$@|<> '\"", k=r.randint(8, 14)))
        .replace("<a", "<_")
        .replace("<A", "<_")
    ),
]
QUIET = len(SENTENCES) - 1
"""All but the last maker: random punctuation is noise, not text anybody means, and is counted apart."""


def generated(seed: int, count: int) -> Iterator[str]:
    source = random.Random(seed)
    for _ in range(count):
        parts = [source.choice(SENTENCES[:QUIET])(source) for _ in range(source.choice((1, 1, 1, 2, 3)))]
        yield source.choice((" ", ". ", "\n", ", ", " - ", "; ")).join(parts)


@pytest.fixture(scope="session")
def harmless_texts() -> list[str]:
    """20,000 texts as people and programs write them: names, prose with the words of SQL and shells, code, markdown,
    URLs, tokens, emoji, many languages. Seeded: every run judges the same ones."""
    return list(generated(20_260_118, 20_000))
