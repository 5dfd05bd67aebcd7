"""Files that a run leaves: the HDF5 result, tables, images (`hevesy.engine.grid.write_image`)."""
