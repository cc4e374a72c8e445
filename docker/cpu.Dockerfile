# tlf on a CPU:
#     docker build -f docker/cpu.Dockerfile -t tlf:cpu .
#     docker run --rm -v "$PWD:/work" tlf:cpu recipes/resnet18_finetune.toml
FROM python:3.12-slim

# The CPU builds of torch are an eighth of the size of those with CUDA.
RUN pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE /src/
COPY tlf /src/tlf
RUN pip install --no-cache-dir /src && rm -r /src

WORKDIR /work
COPY recipes recipes
ENTRYPOINT ["accelerate", "launch", "-m", "tlf"]
