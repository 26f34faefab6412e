"""The language model: loading, template and decoding."""
