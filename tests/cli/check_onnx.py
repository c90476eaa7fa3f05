"""What `tailor export --format onnx` writes, checked by Debian's python3-onnx.
usage: check_onnx.py TAILOR; exit status 77 where python3-onnx is not there."""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import onnx
except ImportError:
    sys.exit(77)

NETWORKS = ("resnet20", "resnet18", "quartznet5x5_dna")
TYPES = (["--precision", "8,3", "--rounding", "rnd_conv"],
         ["--precision", "6,2", "--rounding", "trn", "--layout", "stock"],
         ["--precision", "scales.json"])
SCALES = {"weights": "4,3", "activations": "6,3", "scales": "u8,0", "rounding": "rnd_conv",
          "overflow": "sat", "layout": "fused", "input_magnitude": 3,
          "stages": [{"stage": "stage1.block0.conv1", "weights": "binary", "activations": ""}]}

tailor = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "model.onnx")
    pathlib.Path(folder, "scales.json").write_text(json.dumps(SCALES))
    for network in NETWORKS:
        for types in ([], *TYPES) if network == "resnet20" else ([],):
            subprocess.run([tailor, "export", "--network", network, "--untrained", "--format",
                            "onnx", "--output", path, "--force", "--log", "off", *types],
                           check=True, stdout=subprocess.DEVNULL, cwd=folder)
            model = onnx.load(str(path))
            onnx.checker.check_model(model, full_check=True)
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
            said = {v.name: v for v in model.graph.value_info}
            for v in inferred.graph.value_info:
                if v.name in said and said[v.name] != v:
                    sys.exit(f"{network} {types}: {v.name} is said to be {said[v.name]}, is {v}")
            quantised = sum(n.op_type == "Quant" for n in model.graph.node)
            if (quantised > 0) != bool(types):
                sys.exit(f"{network} {types}: {quantised} Quant nodes")
            if "scales.json" in types:
                sizes = {i.name: tuple(i.dims) for i in model.graph.initializer}
                steps = [sizes[n.input[1]] for n in model.graph.node
                         if n.op_type in ("Quant", "BipolarQuant") and "weight" in n.input[0]]
                if {s[:1] + s[2:] for s in steps} != {(c, 1, 1) for c in (16, 32, 64)} | {(10,)}:
                    sys.exit(f"{network}: scales of shapes {steps}")
                if [n.input[0] for n in model.graph.node if n.op_type == "BipolarQuant"] != [
                        "stage1.block0.conv1.weight"]:
                    sys.exit(f"{network}: other binary weights than one stage's")
            print(network, *types, len(model.graph.node), "nodes")
