#!/usr/bin/env bash
# A checkpoint written with one LibTorch is read with another, in both directions, and by Python's
# safetensors.
# usage: cross_libtorch.sh BUILD_A BUILD_B [PYTHON]
set -euo pipefail
a=$(realpath "$1")/tailor b=$(realpath "$2")/tailor python=${3:+$(realpath -s "$3")}
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export TAILOR_LOG=warn OMP_NUM_THREADS=1
set_small="--set network.depth=8 --set network.width=4 --set data.train_size=240
  --set data.validation=40 --set data.test_size=200 --set teacher.epochs=2 --set train.epochs=4
  --set runtime.threads=1"
field() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
version() { "$1" env --json | field '["libtorch"]["version"]'; }
loss() { "$1" evaluate --checkpoint "$2" --json 2>/dev/null | field '["loss"]'; }
echo "A is LibTorch $(version "$a"), B is LibTorch $(version "$b")"
"$a" train --config quickstart --output a/run $set_small >/dev/null 2>&1
"$b" train --config quickstart --output b/run $set_small >/dev/null 2>&1
for run in a/run b/run; do
  one=$(loss "$a" $run/last.ckpt) two=$(loss "$b" $run/last.ckpt)
  echo "$run: loss on the test set $one with A, $two with B"
  python3 -c "import sys; sys.exit(abs($one - $two) > 1e-4 * abs($one))" ||
    { echo "they differ by more than rounding"; exit 1; }
  # Checks the witness, whoever wrote it.
  "$b" export --checkpoint $run --output "p_$(dirname $run)" --vectors 2 >/dev/null
done
# A run that A began is finished by B.
for seconds in 2 4 8 16 32; do
  timeout -s TERM $seconds "$a" train --config quickstart --output c/run --force $set_small \
    --set train.epochs=400 >/dev/null 2>&1 || true
  [ ! -e c/run/last.ckpt ] || break
done
sed -i 's/"epochs": 400/"epochs": 4/' c/run/config.json
before=$(python3 -c "
import json, struct
raw = open('c/run/last.ckpt', 'rb').read()
header = json.loads(raw[8:8 + struct.unpack('<Q', raw[:8])[0]])
print(json.loads(header['__metadata__']['document'])['position']['epoch'])")
if [ "$before" -ge 4 ]; then sed -i 's/"epochs": 4/"epochs": 500/' c/run/config.json; fi
timeout -s TERM 60 "$b" train --resume c/run >/dev/null 2>&1 || [ $? -eq 124 ] ||
  { echo "B cannot go on with A's run"; exit 1; }
echo "c/run: begun with A, gone on with B from epoch $before"
if [ -n "$python" ]; then
  "$python" - <<'PY'
import json
from safetensors import safe_open
with safe_open("a/run/last.ckpt", "np") as f:
    document = json.loads(f.metadata()["document"])
    weight = f.get_tensor("model.fc.weight")
    print("Python:", f.metadata()["format"], document["network"]["name"], len(list(f.keys())),
          "tensors, fc.weight", weight.shape)
    assert weight.shape == (10, 16)
PY
fi
