"""One change to everything that a filter or a search finds, prepared and then done in parts."""
