"""Small language models that are trained and scored in seconds: what a mixture of documents is worth. Without Ray."""
