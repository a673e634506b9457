"""Where results REST: one file a store."""
