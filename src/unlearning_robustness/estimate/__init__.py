"""What a study will cost, before it starts: from shapes and settings alone, without torch."""
