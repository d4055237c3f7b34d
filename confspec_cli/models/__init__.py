"""Model files: the registry that names them, and the sources they come from."""
