"""`confspec serve`: a pair behind the OpenAI protocol, so that any client gets its answers.

A thin layer over the runtime, and the only one that knows HTTP on the serving side.
"""
