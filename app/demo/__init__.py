"""Pictures drawn by code: scenes, patterns, shapes, glyphs, and the demo gallery made of them.

Nothing else of `app` is imported here: Pillow, numpy and the standard library only.
"""
