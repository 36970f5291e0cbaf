"""Finds the words and operators of a shell's text, and the newlines between its commands.

The level tells what words mean (see `shell_grammar`), `shell_quotes` where quotes end. Each
character is looked at once, except for the few that could not be judged without the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from conveyor_tools.splitters.shell_documents import BodyReader, DelimiterReader
from conveyor_tools.splitters.shell_grammar import ASSIGNMENT, FREE, NAME, State
from conveyor_tools.splitters.shell_quotes import Quotes

_BLANKS = re.compile(r"[ \t]*")
_REST = re.compile(r"[^ \t\n;&|<>()'\"\\`$]*")
"""The rest of a word, as far as it is plain."""
_EXPANSION = r"\$\w++|\$\{\w++\}|\$\(\([^()'\"\\$`]*+\)\)"
_RUN = re.compile(
    r"(?:[ \t]++|[^ \t\n;&|<>()'\"\\`$#][^ \t\n;&|<>()'\"\\`$]*+"
    rf"|'[^']*+'|\"(?:[^\"\\$`]++|{_EXPANSION}){{0,99}}\"|{_EXPANSION}"
    r"|(?:<|>>?+)&?+[ \t]*+[\w./-]++(?=[ \t\n;&|)])){0,999}"
)
"""Words and blanks, where no word means anything. Strings, expansions and redirections that are
plain, and complete in the text at hand, are part of it: this is faster. No group is possessive (see
`logical_line`)."""
_WORD = re.compile(r"[ \t]*+([\w./-]++|[{}!]|\[\[?+|\]\])(?:[ \t]++(?=[^ \t(])|(?=[\n;&|)]))")
"""A plain word that may mean something, and has ended in the text at hand. Faster, too."""
_NO_WORD = ";&|()\\`"
"""What no plain word begins with."""
_GLOBS = "?*+@!"
"""Before a parenthesis, they make a pattern of it."""


class ShellLexer(Quotes):
    """Goes through the text of a shell.

    `on_newline` is called at newlines outside of all substitutions, with the text and the position
    after the newline and its here-documents.
    """

    def __init__(self, on_newline: Callable[[str, int], None]) -> None:
        super().__init__(self._code)
        self.met_code = False
        """Whether there was anything but blanks and comments since this was made False."""
        self._on_newline = on_newline
        self._subscript = False  # the word has had a bracket
        self._delimiter = DelimiterReader(tabs=False)
        self._body: BodyReader | None = None

    def finish(self) -> bool:
        """The text ends here. Returns whether its last command is complete."""
        if self._body is not None and self._body.ends():
            self._end_document()
        self._end_word()
        if self.frames or self.dangling or self.step not in (self._code, self.comment):
            return False
        self.level.newline()
        return self.level.complete

    def _end_word(self) -> None:
        if self.in_word:
            self.level.word("".join(self.word), quoted=self.quoted)
            self._forget_word()

    def _forget_word(self) -> None:
        self.word.clear()
        self.in_word = self.quoted = self._subscript = False
        self.last = ""

    def _begin_word(self, *, quoted: bool) -> None:
        self.in_word = self.met_code = True
        self.quoted = self.quoted or quoted

    # Commands

    def _code(self, text: str, pos: int) -> int | None:
        char = text[pos]
        if char == "\n":
            self._newline(text, pos + 1)
            return pos + 1
        if char not in _NO_WORD:
            level = self.level
            free = level.state in FREE and not level.redirects
            end = self._free_words(text, pos) if free else self._word(text, pos)
            if end > pos:
                return end
        if char in " \t":
            self._end_word()
            return _BLANKS.match(text, pos).end()  # type: ignore[union-attr] # it always matches
        if char == "#":
            self.resume, self.step = self._code, self.comment
            return pos + 1
        return self._special(char, text, pos)

    def _word(self, text: str, pos: int) -> int:
        """Past a word that may mean something, or plain characters of one."""
        if not self.in_word and (word := _WORD.match(text, pos)):
            self.level.word(word.group(1), quoted=False)
            self.met_code = True
            return word.end()
        if text[pos] == "#" and not self.in_word:
            return pos
        end = _REST.match(text, pos).end()  # type: ignore[union-attr]
        if end > pos:
            self._begin_word(quoted=False)
            self.word.append(text[pos:end])
            self.last = text[end - 1]
            if not self._subscript and self.level.state is State.COMMAND and "[" in self.word[-1]:
                return self._open_subscript(text, pos, end)
        return end

    def _open_subscript(self, text: str, pos: int, end: int) -> int:
        """A bracket after a name: blanks up to its end do not end the word."""
        self._subscript = True
        bracket = text.index("[", pos)
        self.word[-1] = text[pos:bracket]
        is_name = NAME.fullmatch("".join(self.word)) and not self.quoted
        self.word[-1] = text[pos : bracket + 1 if is_name else end]
        if not is_name:
            return end
        self.push(self.brackets, count=1)
        return bracket + 1

    def _free_words(self, text: str, pos: int) -> int:
        """Past words that mean nothing. They are not kept, but for how the last one ends."""
        end = pos
        if self.in_word:
            end = _REST.match(text, pos).end()  # type: ignore[union-attr]
        end = _RUN.match(text, end).end()  # type: ignore[union-attr]
        if end > pos:
            self.last = text[end - 1]
            began = self.in_word or self.last not in " \t" or not text[pos:end].isspace()
            self.met_code = self.met_code or began
            self.level.alone = self.level.alone and not began
            if self.last in " \t":
                self._forget_word()
            else:
                self.in_word = True
        return end

    def _special(self, char: str, text: str, pos: int) -> int | None:
        if char == "\\":
            after = self.backslash(text, pos)
            if after is not None and text[pos + 1 : after] != "\n":
                self._begin_word(quoted=True)
                self.last = ""
            return after
        if char == "$":
            was = self.in_word, self.quoted
            self._begin_word(quoted=True)
            after = self.dollar(text, pos)
            if after is None:
                self.in_word, self.quoted = was
            else:
                self.last = ""
            return after
        if char in "'\"`":
            self._begin_word(quoted=True)
            self.push_quote(char)
            return pos + 1
        if char in "<>":
            after = self._redirection(char, text, pos)
        elif char in "()":
            after = self._parenthesis(char, text, pos)
        else:
            after = self._operator(char, text, pos)
        self.met_code = self.met_code or after is not None
        return after

    def _operator(self, char: str, text: str, pos: int) -> int | None:
        following = text[pos + 1 : pos + 3]
        if not self.final and (not following or (char, following) == (";", ";")):
            return None
        self._end_word()
        one = following[:1]
        if char == ";":
            if one and one in ";&":
                self.level.clause_end()
                return pos + 3 if following == ";&" else pos + 2
            self.level.separator()
        elif char == "&" and one == ">":
            pass  # a redirection
        elif char == "&" and one != "&":
            self.level.separator()
        else:
            self.level.connector()
            return pos + 2 if one and one in "&|" else pos + 1
        return pos + 1

    def _redirection(self, char: str, text: str, pos: int) -> int | None:
        following = text[pos + 1 : pos + 3]
        if not self.final and (not following or (char, following) == ("<", "<")):
            return None
        if following[:1] == "(":
            self._begin_word(quoted=True)
            self.push_level()
            return pos + 2
        self._end_number()
        self.level.redirection()
        if (char, following[:1]) != ("<", "<") or self.level.state is State.CONDITION:
            return pos + 2 if following[:1] in ("&", ">", "|") else pos + 1
        if following == "<<":
            return pos + 3
        self._delimiter = DelimiterReader(tabs=following == "<-")
        self.step = self._read_delimiter
        return pos + 3 if following == "<-" else pos + 2

    def _end_number(self) -> None:
        """The word before a redirection may be the number of a descriptor, or its variable."""
        word = "".join(self.word)
        is_number = word.isdigit() or (word[:1], word[-1:]) == ("{", "}")
        if self.in_word and is_number and not self.quoted:
            self._forget_word()
        self._end_word()

    def _parenthesis(self, char: str, text: str, pos: int) -> int | None:
        if char == ")":
            self._end_word()
            if self.level.close_parenthesis():
                self.pop()
            return pos + 1
        if self.in_word and self.last and self.last in _GLOBS:
            self.push(self.parentheses, count=1)
            return pos + 1
        if self.in_word and self.last == "=" and self._assigns():
            self.push(self.array, count=1)
            self.last = "("
            return pos + 1
        if not self.level.may_be_arithmetic() or self.in_word:
            self._end_word()
        elif pos + 1 == len(text) and not self.final:
            return None
        elif text.startswith("(", pos + 1):
            self.push(self._arithmetic, count=2)
            return pos + 2
        self.level.open_parenthesis()
        return pos + 1

    def _assigns(self) -> bool:
        in_arguments = self.level.state is State.ARGUMENTS
        return in_arguments or ASSIGNMENT.fullmatch("".join(self.word)) is not None

    def _arithmetic(self, text: str, pos: int) -> int | None:
        """`((…))` as a command, or as the head of a loop."""
        depth = len(self.frames)
        after = self.parentheses(text, pos)
        if len(self.frames) < depth:
            self._forget_word()
            self.level.arithmetic()
        return after

    # Newlines and here-documents

    def _newline(self, text: str, pos: int) -> None:
        self._end_word()
        if self.level.documents:
            self._body = BodyReader(self.level.documents[0])
            self.strings += 1
            self.step = self._read_body
        else:
            self._end_line(text, pos)

    def _end_line(self, text: str, pos: int) -> None:
        self.level.newline()
        if not self.frames:
            self._on_newline(text, pos)

    def _read_delimiter(self, text: str, pos: int) -> int | None:
        after = self._delimiter.scan(text, pos, final=self.final)
        if self._delimiter.document is not None:
            self.level.documents.append(self._delimiter.document)
            self.level.word("", quoted=True)
            self.step = self._code
        return after

    def _read_body(self, text: str, pos: int) -> int:
        body = self._body
        assert body is not None
        after = body.scan(text, pos)
        if body.ended and self._end_document():
            self._end_line(text, after)
        return after

    def _end_document(self) -> bool:
        """One of them is over. Returns whether it was the last one; if not, the next follows."""
        documents = self.level.documents
        documents.pop(0)
        self._body = BodyReader(documents[0]) if documents else None
        if documents:
            return False
        self.strings -= 1
        self.step = self._code
        return True
