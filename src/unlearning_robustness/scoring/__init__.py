"""Pure, batched scoring, used by tuning, attacks and evaluation alike."""
