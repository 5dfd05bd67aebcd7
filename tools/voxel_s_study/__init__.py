"""Our voxel S kernels beside published tables; `python -m hevesy.tools.voxel_s_study` writes the page of the study."""
