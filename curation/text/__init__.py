"""What a text is like, told from its bytes: words, lines, repetition, and a quality that is made of them."""
