"""Words of ``hevesy kernels`` for a kernel of few voxels: thick medium, short reach."""

SMALL = ("I-131", "--voxel", "3 mm", "--density", "4 g/cm3", "--extent", "2 voxels", "--decays", "20000", "-q")
