"""A training that begins with the champion's weights: what is taken over, by which names and values, and what is refused."""
