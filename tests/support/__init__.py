"""Helpers of the tests: models, servers and terminals made for them."""
