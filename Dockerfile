# The environment of every job, for Kubernetes and Apptainer: `docker build -t unlearning-robustness:1 .`
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make rsync \
 && rm -rf /var/lib/apt/lists/*
# Which build of PyTorch comes is up to the index: `--build-arg PIP_INDEX_URL=...`
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY requirements.lock /opt/requirements.lock
RUN pip install --no-cache-dir -r /opt/requirements.lock \
 && pip install --no-cache-dir -c /opt/requirements.lock \
      snakemake-executor-plugin-kubernetes==0.5.1 snakemake-storage-plugin-fs==1.1.3
WORKDIR /study
