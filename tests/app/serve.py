"""A downstream app: says what is on the images that are posted to it. It knows nothing of tlf.

python serve.py runs/mine 8000        curl --data-binary @ant.jpg http://127.0.0.1:8000
"""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import timm
import torch
from PIL import Image
from safetensors import safe_open
from torchvision.transforms import v2


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        image = prepare(Image.open(io.BytesIO(body)).convert("RGB"))
        with torch.inference_mode():
            probabilities = (backbone(image[None]) @ weight.T + bias).softmax(1)[0].tolist()
        self.send_response(200)
        self.end_headers()
        found = dict(zip(about["classes"], probabilities, strict=True))
        self.wfile.write(json.dumps(found).encode())


if __name__ == "__main__":
    run, port = sys.argv[1], int(sys.argv[2])
    with safe_open(f"{run}/head.safetensors", framework="pt") as file:
        about = json.loads(file.metadata()["tlf"])
        weight, bias = file.get_tensor("weight"), file.get_tensor("bias")
    preprocessing, own = about["preprocessing"], f"{about['classifier']}."
    resize = v2.Resize(
        preprocessing["resize"], v2.InterpolationMode(preprocessing["interpolation"])
    )
    scale = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    normalize = v2.Normalize(preprocessing["mean"], preprocessing["std"])
    prepare = v2.Compose([resize, v2.CenterCrop(preprocessing["size"]), *scale, normalize])
    backbone = timm.create_model(about["backbone"]["model"], num_classes=0).eval()
    with safe_open(f"{run}/model.safetensors", framework="pt") as file:
        names = [n for n in file.keys() if not n.startswith(own)]  # noqa: SIM118
        backbone.load_state_dict({name: file.get_tensor(name) for name in names})
    server = HTTPServer(("127.0.0.1", port), Answer)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
