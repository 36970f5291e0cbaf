"""The `conveyor` command, also as `python -m conveyor_cli`. What takes long is imported within."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; Ctrl-C ends it without a traceback while it is still loaded, too."""
    try:
        from conveyor_cli import app  # noqa: PLC0415 - it takes a tenth of a second
    except KeyboardInterrupt:
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
