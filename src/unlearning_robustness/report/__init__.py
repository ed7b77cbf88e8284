"""Words and pages: findings, claims, the main table, example answers, published numbers."""
