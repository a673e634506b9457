"""How rendered text becomes the bytes of an object: one file a packing, named by the ending it gives."""
