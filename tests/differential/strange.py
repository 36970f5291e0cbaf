r"""Programs with line ends and characters that a file of plain text would not keep."""

from __future__ import annotations

_LINES = (
    "import sys\nx = '''a\nb'''\nif x:\n    y = 1\nelse:\n    y = 2\nprint(repr(x), y)\n1 / 0\n"
)
_FRAME = "import sys\nprint(sys._getframe().f_lineno)"

STRANGE = {
    "CR LF": _LINES.replace("\n", "\r\n"),
    "lone CR": _LINES.replace("\n", "\r"),
    "CR LF and LF mixed": "a = 1\r\nb = 2\nif a:\r\n    c = 3\n\r\nprint(a, b, c)\r\n1/0\n",
    "CR CR LF": "a = 1\r\r\nb = 2\r\r\n1/0\n",
    "CR LF in joined lines": "a = 1 + \\\r\n  2\r\nprint(a)\r\nb = 'x\\\r\ny'\r\nb\r\n",
    "CR LF in a decorator": "def d(f): return f\r\n@d\r\n# c\r\n\r\ndef f():\r\n    1/0\r\nf()\r\n",
    "CR alone at the end": "a = 1\rprint(a)\r",
    "form feed": f"a = 1\n\x0c\nif a:\n    b = 2\n\x0celse_ = 3\n{_FRAME}\n",
    "form feed in front": "\x0cx = 1\n\x0c\n\x0cprint(x)\n1/0\n",
    "form feed in a string": "x = 'a\x0cb'\nprint(repr(x))\n1/0\n",
    "vertical tab and separators in strings": "x = '\x0b\x1c\x1d\x1e\x85\u2028\u2029'\nascii(x)\n",
    "separators and lines": f"x = '''\x0b\x1c\x85\u2028\n'''\n{_FRAME}\n1/0\n",
    "separators in comments": f"x = 1  # \x0b\x1c\x85\u2028 a\n{_FRAME}\nx / 0\n",
    "NUL": "a = 1\nb = '\x00'\n",
    "NUL in a comment": "a = 1\n# \x00\nb = 2\n",
    "names beyond ASCII": "été = 1\n变量 = été + 1\nclass Ñ: ü = 变量\nprint(Ñ.ü, été)\nñ / 0\n",
    "names that are normalized": "ﬁ = 1\nprint(fi)\n\u210c = 2\nH\n",
    "columns in bytes": "s = 'é变🐍'; print(len(s)); s + 1\n",
    "columns in bytes of a syntax error": "s = 'é变🐍' 5\n",
    "error below a long line beyond ASCII": "x = '" + "é" * 200 + "'; 1 / 0\n",
    "surrogate pair as characters": "x = '😀'\nprint(len(x), ascii(x))\n",
    "tabs after code": "a = 1\t\nb = 2 \t # c\nprint(a, b)\t;\tprint(b)\n",
    "blank lines with blanks": "if True:\n    a = 1\n  \t \n\t\n    b = 2\n   \nprint(a, b)\n",
    "no newline at the end": "a = 1\nprint(a)",
    "no newline, a value": "a = 1\na + 1",
    "no newline after a block": "for i in range(2):\n    print(i)",
    "no newline after a comment": "a = 1\n# the end",
    "no newline after a decorator": "a = 1\n@a",
    "no newline in a string": "a = 1\nb = 'x",
    "dangling backslash": "a = 1\nb = 2 \\",
    "dangling backslash after a line": "a = 1\n\\\n",
    "only a newline": "\n",
    "only blanks": "   \n\t\n",
    "only a comment without a newline": "# a",
    "a lone backslash line between": "a = 1\n\\\nb = 2\nprint(b)\n",
    "backslash before else": "if 0: a = 1\n\\\nelse: a = 2\nprint(a)\n",
    "backslash before a deeper body": "if 1:\n  a = 1\n\\\n  b = 2\nprint(b)\n",
    "backslash with blanks in front": "if 1:\n  a = 1\n  \\\nb = 2\nprint(b)\n",
    "much indentation": "if 1:\n" + " " * 90 + "x = 1\n" + " " * 90 + "y = 2\nprint(x, y)\n",
    "a hundred levels of brackets": "x = " + "(" * 90 + "1" + ")" * 90 + "\nprint(x)\n",
    "too many levels of brackets": "x = 1\ny = " + "(" * 300 + ")" * 300 + "\n",
    "nineteen levels of blocks": "".join(f"{' ' * n}if 1:\n" for n in range(19))
    + " " * 19
    + "print('deep')\n",
    "a hundred and one levels of blocks": "".join(f"{' ' * n}if 1:\n" for n in range(101))
    + " " * 101
    + "print('deep')\n",
    "long literal table": "t = [\n"
    + "".join(f"    ({n}, 'r{n}'),\n" for n in range(800))
    + "]\nlen(t)\n",
    "long string of lines in column 0": "t = '''\n" + "if x:\nelse:\n" * 800 + "'''\nlen(t)\n",
    "five hundred statements": "x = 0\n" + "x += 1\n" * 500 + "x\n",
    "encoding cookie": "# -*- coding: latin-1 -*-\nx = 'é'\nlen(x)\n",
    "encoding cookie of utf-8": "# coding: utf-8\nx = 'é'\nlen(x)\n",
    "byte order mark": "\ufeffx = 1\nprint(x)\n",
    "byte order mark further down": "x = 1\n\ufeffy = 2\n",
    "no-break space": "x = 1\ny =\u00a02\n",
    "shebang": "#!/usr/bin/env python3\nprint('run')\n",
    "prompt characters": ">>> x = 1\n",
    "zero-width space": "x = 1\ny\u200b = 2\n",
}
"""Name and text."""
