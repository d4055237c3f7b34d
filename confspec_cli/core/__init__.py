"""The algorithm: steps, gates, runs and their events. Standard library only."""
