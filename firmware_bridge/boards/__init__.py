"""Emulated boards: start-up code, the cross compiler, and a check of a package on each."""
