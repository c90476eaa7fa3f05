"""What `tailor export --format onnx` writes, checked by Debian's python3-onnx.
usage: check_onnx.py TAILOR; exit status 77 where python3-onnx is not there."""
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
         ["--precision", "6,2", "--rounding", "trn", "--layout", "stock"])

tailor = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "model.onnx")
    for network in NETWORKS:
        for types in ([], *TYPES) if network == "resnet20" else ([],):
            subprocess.run([tailor, "export", "--network", network, "--untrained", "--format",
                            "onnx", "--output", path, "--force", "--log", "off", *types],
                           check=True, stdout=subprocess.DEVNULL)
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
            print(network, *types, len(model.graph.node), "nodes")
