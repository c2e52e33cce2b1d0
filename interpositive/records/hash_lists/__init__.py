"""Hash lists that travel with footage: ASC MHL histories, MHL 1.x and plain lists of digests."""
