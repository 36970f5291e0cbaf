"""For tools: saying how far a call has come."""

from __future__ import annotations

from conveyor_tools.hearing import hearing


def progress(text: str, fraction: float | None = None) -> None:
    """Show the user how far the call has come that runs this; the model is not told.

    A line, and the part that is done (0 to 1) where that is known. To be called from the tool's
    functions, sync or async, as often as it likes: four a second are shown. Elsewhere, as in a
    thread that the tool started itself, it does nothing.
    """
    ear = hearing.get()
    if ear is not None:
        ear.progress(str(text), fraction)
