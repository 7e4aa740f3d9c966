"""Heads: what each says about a crop, what it learns from, and what it adds to a detection."""
