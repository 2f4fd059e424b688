"""Imports models of other projects: loads them without executing code, and renames their weights."""
