# tlf on NVIDIA GPUs, all that the container is given:
#     docker build -f docker/cuda.Dockerfile -t tlf:cuda .
#     docker run --rm --gpus all --shm-size 8g -v "$PWD:/work" tlf:cuda recipes/resnet18_finetune.toml
FROM python:3.12-slim

# torch from the package index brings its own CUDA libraries; the host needs a driver only.
COPY pyproject.toml README.md LICENSE /src/
COPY tlf /src/tlf
RUN pip install --no-cache-dir /src && rm -r /src

WORKDIR /work
COPY recipes recipes
ENTRYPOINT ["accelerate", "launch", "-m", "tlf"]
