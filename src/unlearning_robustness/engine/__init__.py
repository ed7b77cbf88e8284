"""The losses of one step on a slice of the model, and the weights that the step trains."""
