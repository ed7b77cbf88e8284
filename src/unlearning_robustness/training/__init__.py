"""Training loops: unlearn a cell, fine-tune on texts, make the model that knows texts by heart."""
