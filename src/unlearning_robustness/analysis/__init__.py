"""Queries over records: estimates with intervals, paired comparisons, and what they say in words."""
