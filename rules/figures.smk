"""Tables, figures, findings and the report: queries over records."""

TABLES = []
FIGURES = []
FINDINGS = RECORDS
