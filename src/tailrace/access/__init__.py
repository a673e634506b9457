"""WHO may: tenants, users, access keys, tokens, permissions."""
