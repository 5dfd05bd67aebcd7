"""The study of local deposition against Monte Carlo: spheres, media, voxels, nuclides, blur; published figures."""
