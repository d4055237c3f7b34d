"""`confspec chat`: the prompt, the commands, the live keys, and the state they share."""
