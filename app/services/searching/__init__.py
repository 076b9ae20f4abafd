"""Images by meaning: questions, the look through vectors, what is made of the nearest, and what their scores are worth."""
