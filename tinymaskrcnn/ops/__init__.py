"""Pure functions: forward/backward pairs, and geometry without gradients. Start reading at `linear`."""
