"""What object stores reached over the network have in common."""
