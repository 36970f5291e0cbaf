"""Databases that the `sql` tool reaches: one module each."""
