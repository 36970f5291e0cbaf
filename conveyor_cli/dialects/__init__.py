"""Dialects: how model families write tool calls in their responses."""
