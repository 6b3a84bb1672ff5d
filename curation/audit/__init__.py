"""What is in a corpus: languages, near-duplicates, words that stand out, shares. Plain NumPy, no Ray, no files."""
