"""Real facts and prose turned into question sets, probes and corpora."""
