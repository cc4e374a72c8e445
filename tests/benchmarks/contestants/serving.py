"""A server as somebody writes it in five minutes: a route, and one image after the other.

    python tests/benchmarks/contestants/serving.py RUN

Prints its address. The model is that of the run; everything else is Pillow's, torchvision's and
starlette's."""

import io
import socket
import sys

import torch
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from torchvision import transforms

import tlf

classifier = tlf.load_classifier(sys.argv[1])
how = classifier.preprocessing
prepare = transforms.Compose(
    [
        transforms.Resize(how.resize, transforms.InterpolationMode(how.interpolation)),
        transforms.CenterCrop(how.size),
        transforms.ToTensor(),
        transforms.Normalize(how.mean, how.std),
    ]
)


async def predict(request: Request) -> JSONResponse:
    """Classify the image in the body."""
    image = Image.open(io.BytesIO(await request.body())).convert("RGB")
    with torch.inference_mode():
        probabilities = classifier.model(prepare(image)[None]).softmax(1)[0]
    found = dict(zip(classifier.labels, probabilities.tolist(), strict=True))
    return JSONResponse({"predicted": max(found, key=found.__getitem__), "probabilities": found})


if __name__ == "__main__":
    # As ``uvicorn.run`` does it: a socket without its protocol would answer 40 ms later.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        print("http://{}:{}/".format(*listener.getsockname()), flush=True)
        app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listener])
