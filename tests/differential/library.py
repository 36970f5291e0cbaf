"""Real scripts: modules of the standard library, and of its tests, run as programs.

Named here are those whose run is the same every time and takes a second or two. Modules are taken
from the image, so that they fit its Python; the `test` package is not in it, and is taken from here
where both have the same version.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from tests.differential.oracle import Oracle

MODULES = """
__future__ __hello__ _aix_support _collections_abc _compat_pickle _compression _markupbase
_osx_support _py_abc _sitebuiltins _strptime _threading_local _weakrefset abc asynchat asyncore
base64 bdb bisect bz2 calendar cgitb chunk cmd code codecs codeop colorsys configparser contextlib
contextvars copy copyreg crypt csv dataclasses decimal dis fileinput filecmp fnmatch fractions
ftplib functools genericpath getopt getpass gettext glob graphlib gzip hashlib heapq hmac imghdr
imp io
keyword linecache lzma mailcap mimetypes netrc ntpath nturl2path numbers opcode operator pathlib
pipes pkgutil plistlib poplib posixpath pstats pty queue quopri reprlib rlcompleter runpy sched
secrets selectors shelve shlex shutil signal site sndhdr socket socketserver ssl stat statistics
string stringprep struct sunau symtable sysconfig tabnanny tempfile textwrap this token tokenize
trace traceback tracemalloc tty types uu uuid warnings wave weakref xdrlib zipapp
""".split()  # noqa: SIM905 - a hundred names read best as text
"""Some read the command line, and say how they are used."""

TESTS = """
test_abc test_abstract_numbers test_augassign test_baseexception test_binop test_class
test_codeccallbacks test_colorsys test_defaultdict test_dictcomps test_dictviews test_doctest2
test_dynamicclassattribute test_epoll test_errno test_except_star test_exception_group
test_exception_hierarchy test_exception_variations test_fnmatch test_funcattrs test_generator_stop
test_genericalias test_html test_htmlparser test_http_cookies test_int_literal test_iterlen
test_keyword test_keywordonlyarg test_listcomps test_metaclass test_named_expressions
test_numeric_tower test_opcache test_openpty test_pep646_syntax test_pkg test_rlcompleter
test_secrets test_shlex test_string test_string_literals test_stringprep test_structseq
test_subclassinit test_super test_symtable test_textwrap test_typechecks test_unary test_unpack
test_unpack_ex test_with test_xml_dom_minicompat
""".split()  # noqa: SIM905 - as above
"""Those that need nothing but `unittest`."""

_TESTS = Path(sysconfig.get_path("stdlib")) / "test"


def module(name: str, oracle: Oracle) -> str | None:
    """The text of a module, if the image has it."""
    return oracle.source(name)


def tests(name: str, oracle: Oracle) -> str | None:
    """The text of a module of tests that goes on after them, if there is one for the image."""
    path = _TESTS / f"{name}.py"
    if oracle.version != sys.version_info[:2] or not path.exists():
        return None
    return path.read_text().replace("unittest.main()", "unittest.main(exit=False)")
