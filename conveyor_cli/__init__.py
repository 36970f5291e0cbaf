"""Conveyor: an agent runner that runs tool calls while the model is still writing them."""

__version__ = "0.1.0"
