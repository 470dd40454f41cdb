"""Run on its own, where there is no emtnas_hpc: loads exported modules and classifies with them."""

import importlib
import json
import sys
from pathlib import Path

# Whatever is installed: from here on it is not there.
sys.modules["emtnas_hpc"] = None  # type: ignore[assignment]

import torch  # noqa: E402 - it must not find ours either

torch.set_num_threads(1)
folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
logits = {}
for file in sorted(folder.glob("*.py")):
    module = importlib.import_module(file.stem)
    network = module.build(str(file.with_suffix(".pt"))).eval()
    pixels = torch.load(file.with_suffix(".pixels"), weights_only=True)
    with torch.no_grad():
        logits[file.stem] = network(module.normalise(pixels))
        dtype = torch.float64
        logits[f"{file.stem} as float64"] = network.to(dtype)(module.normalise(pixels).to(dtype))
torch.save(logits, folder / "logits")
sys.stdout.write(json.dumps(sorted(name for name in sys.modules if name.startswith("emtnas_hpc"))))
