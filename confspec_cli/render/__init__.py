"""Everything that shows, prints or saves a run, fed with events alone."""
