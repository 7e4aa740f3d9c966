"""Regions where an object might be, found in the pixels alone: selective search, sliding windows, recall, store."""
