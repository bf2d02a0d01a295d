"""A file per format: each reader turns a path and options into a `Dataset`, or says what is wrong and where."""
