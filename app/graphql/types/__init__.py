"""Output types, a module for each subject. Each is made by `of(row)`; what a row points at goes through loaders."""
