"""From names and options to a run: resolve, load, plan the offload, build the prompt."""
