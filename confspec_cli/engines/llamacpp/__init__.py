"""The llama.cpp engine. The only folder that imports llama_cpp, and only when an engine is loaded."""
