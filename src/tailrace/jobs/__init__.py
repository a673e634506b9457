"""ONE EXTRACTION: its states, the door in, the queue, the result."""
