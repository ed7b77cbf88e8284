"""Question sets, probes and corpora from real facts and prose, and from published data sets."""
