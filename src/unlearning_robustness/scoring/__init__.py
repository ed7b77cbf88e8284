"""Pure, batched scoring, used by selection, attacks and evaluation alike."""
