#!/bin/sh
# The layers of the container that need no engine, built for real by the container's own lines: the locked packages
# and hevesy's wheel in a new environment, and a problem simulated with them outside the checkout.
#   container_check.sh FOLDER [LOCK]
set -eu
folder=$1 lock=${2:-requirements-run.lock}
root=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$folder"
mkdir -p "$folder/source" "$folder/elsewhere"
folder=$(cd "$folder" && pwd)
# what Containerfile copies, and nothing else
cd "$root"
sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Containerfile | tr ' ' '\n' | while read -r name; do
  mkdir -p "$folder/source/$(dirname "$name")"
  cp -R "$name" "$folder/source/$(dirname "$name")/"
done
cd "$folder/source"
sh tools/container_build.sh dependencies "$lock" "$folder/hevesy"
sh tools/container_build.sh project requirements.lock "$folder/hevesy"
cd "$folder/elsewhere"
unset PYTHONPATH
PATH=$folder/hevesy/bin:/usr/bin:/bin
export PATH HEVESY_CACHE="$folder/cache"
hevesy --version
python -c "
import hevesy, numpy as np
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem
assert hevesy.__file__.startswith('$folder/hevesy/'), hevesy.__file__
shape = (5, 5, 5)
source = np.zeros(shape, np.float32)
source[2, 2, 2] = 1.0
water = Material('water', (1, 8), (0.111894, 0.888106), 78.0, 1.0)
Problem(np.ones(shape, np.float32), np.zeros(shape, np.uint8), (water,), (3.0, 3.0, 3.0), source,
        nuclide('I-131').emission).save('problem.npz')
"
hevesy simulate problem.npz --decays 20000 --seed 7 --backend cpu -o result.h5
python -c "
import hevesy
result = hevesy.Result.load('result.h5')
dose = result.dose_gy_per_decay
assert result.decays >= 20000 and dose.argmax() == 62, (result.decays, dose.argmax())
"
test -s result.h5
echo "the container's layers hold: $(hevesy --version), a problem simulated outside the checkout"
