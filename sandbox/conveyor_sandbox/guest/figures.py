"""Figures of matplotlib where there is no display: they become files of the workspace.

`plt.show()` saves what is open as `figure-1.png` and so on, says so, and closes it, as when a
window was closed. What is open and not saved when a call ends is saved too, and stays open; drawn
on by a later call, it is saved again under the same name. Not covered: figures of child processes,
and of code that failed before it showed them.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Optional

_PYPLOT = "matplotlib.pyplot"


class Figures:
    """Watches for pyplot from its import on; costs nothing where it is not imported."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pyplot: Optional[ModuleType] = None
        if _PYPLOT in sys.modules:  # imported beforehand
            self._adopt(sys.modules[_PYPLOT])
        else:
            sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """For the import system: only pyplot is ours, and only to look after it."""
        if name != _PYPLOT or self not in sys.meta_path:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_adopt(module: ModuleType) -> None:
                execute(module)
                self._adopt(module)

            spec.loader.exec_module = execute_and_adopt  # type: ignore[method-assign]
        return spec

    def _adopt(self, pyplot: Any) -> None:
        self._pyplot = pyplot
        original = pyplot.show

        def show(*args: Any, **kwargs: Any) -> Any:
            if pyplot.get_backend().lower() != "agg":
                return original(*args, **kwargs)
            for figure in self._open():
                self._save(figure)
            pyplot.close("all")
            return None

        show.__doc__ = original.__doc__
        pyplot.show = show

    def save_open(self) -> None:
        """A call ends: save what it drew and neither showed nor saved.

        Raises what matplotlib does.
        """
        if self._pyplot is not None:
            for figure in self._open():
                if figure.stale:
                    self._save(figure)

    def _open(self) -> Any:
        """Not by pyplot's own functions, which make each the current one."""
        pyplot: Any = self._pyplot
        managers = pyplot._pylab_helpers.Gcf.get_all_fig_managers()  # noqa: SLF001
        return [manager.canvas.figure for manager in managers]

    def _save(self, figure: Any) -> None:
        name = getattr(figure, "_conveyor_file", None) or self._new_name()
        path = os.path.join(self._folder, name)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "xb") as file:
            figure.savefig(file, format="png")
        figure._conveyor_file = name  # noqa: SLF001 - it is for us
        figure.stale = False
        sys.stderr.write("figure saved: %s\n" % name)

    def _new_name(self) -> str:
        number = 1
        while os.path.lexists(os.path.join(self._folder, "figure-%d.png" % number)):
            number += 1
        return "figure-%d.png" % number
