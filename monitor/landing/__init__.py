"""The way in: a batch is read, screened, joined, counted and stored, exactly once."""
