"""A reproducible study of how robust LLM unlearning is: data -> unlearn -> attack -> evaluate -> figures."""

__version__ = "0.2.0"
