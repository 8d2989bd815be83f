"""Real data sets as model folders, for `make bench-policy`. Each has model.yaml, pipeline.py and data.py.

`data.py` reads the package that ships the data. None of the data lies here. Features are what was known when the row
would have been predicted, and each label comes as late as it really would.
"""
