"""DICOM: finding the files of a series and stacking its slices."""
