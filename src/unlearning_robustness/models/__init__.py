"""Load safely, split at a layer, move only the trained tensors, store only what moved."""
