"""Random-number stream ids. Append only: a number, once given, keeps its meaning for ever."""

import numpy as np

HISTORY = np.uint32(1)  # everything inside one history
BATCH = np.uint32(2)  # random digital shifts of a batch's stratified sequences
