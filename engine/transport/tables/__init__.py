"""Physics tables: built from the cross sections, laid out flat, cached."""
