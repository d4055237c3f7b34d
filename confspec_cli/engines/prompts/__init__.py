"""From prompts to tokens, the same for models in this process and behind servers: templates, marks, vocabularies."""
