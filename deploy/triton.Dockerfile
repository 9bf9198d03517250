# NVIDIA's Triton with what our Python models import. `make serve SERVING=gpu` builds it; the context is requirements/.
ARG IMAGE
FROM ${IMAGE}

USER root
# ONNX Runtime would keep a device id and report to a host, from its first import on, which is below.
ENV ORT_DISABLE_TELEMETRY=1
# An environment of its own: the image's packages stay as NVIDIA tested them. Triton's Python backend does not look at
# PYTHONPATH, it takes the packages of the first python3 on PATH. Ubuntu's venv has no pip, so the image's pip fills it.
COPY serving.lock /opt/adclick/serving.lock
# Of the lock what the models import and what that needs, by its hashes.
RUN awk '/^[a-z]/ {kept = /^(flatbuffers|numpy|onnxruntime|packaging|pillow|protobuf)==/} kept' \
        /opt/adclick/serving.lock > /opt/adclick/models.lock \
    && python3 -m venv --without-pip /opt/adclick \
    && env --unset=PIP_CONSTRAINT python3 -m pip --python /opt/adclick/bin/python install --no-cache-dir \
        --only-binary=:all: --require-hashes --requirement=/opt/adclick/models.lock \
    && /opt/adclick/bin/python -c "import numpy, onnxruntime, PIL"
# A volume that is mounted on /engines takes over its mode, so that any user can keep TensorRT's engines there.
RUN mkdir --mode=1777 /engines

# TF32: FP32 shall mean FP32 on the GPU as well. HOME: CUDA writes its cache there, and the root file system is read-only.
ENV PATH=/opt/adclick/bin:${PATH} \
    VIRTUAL_ENV=/opt/adclick \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    NVIDIA_TF32_OVERRIDE=0 \
    HOME=/tmp

USER 1000:1000
