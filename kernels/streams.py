"""Random-number stream ids. Append only: an id that has been used never changes its meaning."""

import numpy as np

HISTORY = np.uint32(1)  # everything inside one history
BATCH = np.uint32(2)  # random digital shifts of a batch's stratified sequences
