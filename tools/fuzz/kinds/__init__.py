"""One module for each kind of input: how inputs are made, and how hevesy reads them."""
