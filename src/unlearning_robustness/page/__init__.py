"""The study on one page: ``results/index.html``, one file that needs no network, from tables, figures and records."""
