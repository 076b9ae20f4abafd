"""Images by chance: drawn by weight, or in an order that a seed gives."""
