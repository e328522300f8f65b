"""Pictures of a recording and of a log: what was heard, believed and decided over time."""
