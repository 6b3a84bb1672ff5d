"""What went in, what came out, and what was decided: the figures, and the texts that show them."""
