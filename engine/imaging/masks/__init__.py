"""Lesion masks: label maps, RTSTRUCT contours and DICOM SEG to sub-voxel weights."""
