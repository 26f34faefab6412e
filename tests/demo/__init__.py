"""`make demo`: the whole product against both strict fakes, one conversation on each, drawn into pictures."""
