"""The conversation at a terminal: a prompt, commands, live keys, and the state they share."""
