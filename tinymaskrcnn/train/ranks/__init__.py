"""The same training on several processes, ranks, each with a part of every batch: see docs/scaling.md."""
