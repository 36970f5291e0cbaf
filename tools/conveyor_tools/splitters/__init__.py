"""Splitters: one a language, each cutting the growing text of a call into units."""
