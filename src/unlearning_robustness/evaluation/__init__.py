"""From models to records: one question answered by one model is one row."""
