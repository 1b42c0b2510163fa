"""What each page of the documentation says of records and docstrings; `docs/make.py` writes it."""
