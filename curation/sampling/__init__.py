"""How often each document is drawn and in which order: arithmetic on arrays, no Ray and no files."""
