"""Brushes: parts of pictures (skies, trees, houses) that painters put together."""
