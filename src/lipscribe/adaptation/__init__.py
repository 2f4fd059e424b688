"""One person's recordings -> a model for that person."""
