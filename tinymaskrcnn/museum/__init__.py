"""The bug museum: famous mistakes as patches of the source, what each looks like, which check finds it."""
