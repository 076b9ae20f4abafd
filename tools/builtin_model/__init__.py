"""The built-in model's workshop: draws its training pictures, trains it, exports and measures it.

Nothing here runs in the product; it makes the files of app/builtin_model. See README.md.
"""
