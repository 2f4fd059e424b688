"""Other people's models: read without running anything of theirs, renamed, and kept as ours are."""
