"""Texts for the shell's splitter: hard ones by hand, generated ones, and those of this machine."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

PROGRAMS = {
    "lines": "echo a\necho b; echo c\n\n# comment\n  echo d # more\n",
    "no newline": "echo a\necho b",
    "quotes": "echo 'a\nb' \"c\nd\" $'e\\'\nf' \"g \\\" \n\"\necho h\n",
    "comment marks": "echo a # \\\necho b # \\\\\n"
    "echo a#b '#' $# ${#x} \\# # c\necho x#y\"z\"#w #\n",
    "operators": "a &&\nb ||\n\n# c\nc |\nd |&\ne\nf && \\\ng\n",
    "background": "a &\nb & c\nd&\n",
    "continuation": "echo a \\\n  b \\\n  c\nec\\\nho d\ni\\\nf true; then\n  a\nfi\n",
    "if": "if a\nthen b\nelif c; then\n d\nelse\n e\nfi\nif (true) then echo; fi\necho fi\n",
    "loops": "for x in a b\ndo echo\ndone\nfor x\nin a; do b; done\nfor x; do b\ndone\n"
    "while a; do\n b\ndone < f > g\nuntil a\ndo b; done | c\nselect x in a; do b; done\n",
    "arithmetic loop": "for ((i=0; i<3;\n i++)); do\n a\ndone\nfor ((;;))\n{ a; }\n",
    "braces": "{ a\n b; }\n{ a; } 2>&1 | b\necho } {\nfor x in a; { echo\n}\n{a,b}\n",
    "subshell": "(a\nb)\n( (a); b ) && c\n((a); b)\n(( x = 1 +\n2 ))\n((x)) && y\n",
    "case": "case $x in\na) b ;;\n(c|d) e;& *) f\n;;& g\\)|'h') ;;\nesac\n"
    "case x in esac\ncase a in b) case c in d) e;; esac;; esac\n"
    "case a in b) case c in\nd) e;;\nesac\nf;;\nesac\n",
    "in as a word": "case x in in) a;; (in) b;; esac\nfor x in in in; do a; done\n",
    "functions": "f() { a\n}\nf () (a\n)\nf()\n\n# c\n{ a; }\nfunction g { a\n}\n"
    "function h ()\n{ a; }\nfunction i ( a )\nf() if a; then b\nfi\nf() { a; } > x\n",
    "condition": "[[ a == b ]]\n[[ a &&\n b ]]\n"
    "[[ $x =~ ^(a|b)+$ || ( -n y ) ]] && c\n[[ a < b ]]\n",
    "substitution": "x=$(a\nb)\n"
    'y="$(a "b\n)c)")"\nz=$(case a in a) b;; esac)\n`a\nb`\necho "`a ")" \\` b`"\n',
    "nested": 'echo "$(echo "$(echo ")" `echo ")"`)")" ${x:-$(a\nb)} ${x:-"}"}\necho b\n',
    "comment in a substitution": "x=$(a # it's )\n)\necho b\n",
    "arithmetic": "echo $((1 +\n (2 << 3))) $[1\n+ 2] $(( x[1] ))\necho b\n",
    "expansion": "echo ${x#*\\}} ${x:-'}'} ${x/a/{} \"${x:-`b`}\" ${#x} $# ${x:-a\nb}\necho c\n",
    "documents": "cat <<A; cat <<'B' | c\n1\nB\nA\n$x `\nB\necho d\n",
    "tabs": "cat <<-E\n\t\ta\n \tE\n\tE\ncat <<-\tE\nE\n",
    "delimiters": "cat <<\"A B\" <<\\C <<D'E'F\nA\nA B\nC\nDEF\necho x\n",
    "joined lines of a document": "cat <<E\na\\\nE\nE\ncat <<E\nb\\\\\nE\ncat <<'E'\nc\\\nE\nE\\\n",
    "document, then an operator": "cat <<E &&\n1\nE\nb\ncat <<E | c \\\n d\n2\nE\n",
    "document in a compound": "while read x; do\ncat <<E\nfi done }\nE\ndone <<F\n1\nF\n",
    "document in a substitution": 'x=$(cat <<E\n) "\nE\n)\ny="$(cat <<E\n\'\nE\n)"\necho z\n',
    "document and a string": "cat <<E 'a\nb'\nE\necho\n",
    "word that is no document": "echo $((1<<2)) a<<<b <<< 'c\nd'\n((x = 1 << 2))\nlet x=1\n",
    "arrays": "a=(1 '2\n' # c)\n \"3\" $(b\n)) c\nb+=([x]=1\n)\ndeclare -a c=(1\n2)\na[1 + 1]=2\n"
    'a["k )"]=3\na[$(b\n)]=4 c\n',
    "patterns": "shopt -s extglob\nls @(a|b)\ncase x in !(a)) b;; esac\necho +(a|'\n')\n",
    "processes": "diff <(a\nb) >(c) < <(d)\nexec 3>&1 4<>f {fd}>g 2>|h &>i\n",
    "time and not": "time a\n! a\n! { a\n}\ntime -p { a\n}\ntime\n!\n! ! a\n",
    "coproc": "coproc a b\ncoproc { a\n}\ncoproc N { a\n}\n",
    "reserved words as words": "echo if for do { case\nx=1 if\n"
    "'if' a\n\\if a\nif\\ x\n$x if\n> f if\n",
    "assignments": "x=1 y=2\nx=a$(b)c d\nx= a\n",
    "dollars": "echo $ \"$\" $' ' $\"a\nb\" a$ $$ $! $? $'\\\\'\necho b\n",
    "semicolons": "a;\nb ; # c\nif a; then b; fi;\n",
    "carriage returns": "echo a\r\necho b\r\n",
    "nothing": "\n\n  # only comments\n",
    "empty": "",
    "non-ASCII": "echo 'ä\u2028b' ü=1\nñ=2\necho \u0085\n",
}
"""Valid for bash, by what is hard about them."""

INVALID = {
    "stray words": "echo a\nfi\necho b\n",
    "stray parenthesis": "echo a\n)\necho b\n",
    "open if": "echo a\nif x; then\n",
    "open quote": "echo a\necho 'b\n",
    "open document": "cat <<E\na\n",
    "operator at the end": "echo a\nb &&\n",
    "backslash at the end": "echo a\nb \\",
    "nothing before": "&& a\n",
    "double semicolon": "a;; b\nc\n",
    "document in vain": "x=$(cat <<E)\necho b\n",
    "array to write to": "for i in a > b=( <<E\n) ; do x\ndone\necho d\nE\n",
}

_FOLDERS = (
    "/etc/init.d",
    "/etc",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib/git-core",
    "/usr/share/git-core",
)
_MOST = 400_000
"""Bytes of a script."""


def scripts() -> list[Path]:
    """The shell scripts of this machine."""
    found = [path for folder in _FOLDERS for path in sorted(Path(folder).glob("*"))]
    found += sorted(Path("/usr/share").glob("**/*.sh"))
    return [path for path in found if path.is_file() and _is_script(path)]


def _is_script(path: Path) -> bool:
    if path.stat().st_size > _MOST:
        return False
    with path.open("rb") as file:
        first = file.readline(200)
    return path.suffix == ".sh" or (first.startswith(b"#!") and b"sh" in first)


# Generated programs

_WORDS = st.sampled_from(
    [
        "a",
        "if",
        "'q\n;'",
        '"d $x\n)"',
        "$(s)",
        "`b`",
        "${v:-'}'}",
        "#h",
        "\\\n",
        "e\\ f",
        "$((1+2))",
    ]
)
_SIMPLE = st.lists(_WORDS, max_size=3).map(lambda words: " ".join(["c", *words]))
_SEPARATORS = st.sampled_from(["\n", "; ", " &\n", "\n# it's\n", " && ", " ||\n", " | ", "\n\n"])


def _compound(commands: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.builds(lambda a, s, b: a + s + b, commands, _SEPARATORS, commands)
    bodies = commands | lists
    return st.one_of(
        st.builds("if {}\nthen {}\nelse {}\nfi".format, bodies, bodies, bodies),
        st.builds("while {}; do {}\ndone".format, bodies, bodies),
        st.builds("for x in a; do\n{}\ndone".format, bodies),
        st.builds("case $x in a) {};; (b|c)\n{}\nesac".format, bodies, bodies),
        st.builds("{{ {}\n}}".format, bodies),
        st.builds("( {}\n)".format, bodies),
        st.builds("f()\n{{\n{}\n}}".format, bodies),
        st.builds('x=$({}\n) c "$({}\n)"'.format, bodies, bodies),
        st.builds("d <({}\n)".format, bodies),
        st.builds("cat <<E\n{}\n$(\nE\n{}".format, commands, commands),
    )


def commands() -> st.SearchStrategy[str]:
    """Commands within commands."""
    return st.recursive(_SIMPLE, _compound, max_leaves=6)


def programs() -> st.SearchStrategy[str]:
    """Several of them."""
    return st.lists(commands(), min_size=1, max_size=4).map(lambda them: "\n".join([*them, ""]))


def texts() -> st.SearchStrategy[str]:
    """Anything, in which much has a meaning for a shell."""
    pieces = [
        "'",
        '"',
        "`",
        "$(",
        "((",
        ")",
        "${",
        "}",
        "{",
        "<<E\n",
        "\nE\n",
        "\\",
        "\n",
        ";",
        "&",
    ]
    words = [
        "if ",
        "fi\n",
        "do ",
        "done",
        "case a in ",
        "esac",
        "f()",
        "#",
        " ",
        "a",
        "=(",
        "[[ ",
        "|",
    ]
    return st.lists(st.sampled_from([*pieces, *words]), max_size=25).map("".join)
