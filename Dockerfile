# syntax=docker/dockerfile:1
# The image of server, worker and every other command: `docker run IMAGE serve`, `… worker`, `… migrate`.
ARG PYTHON_IMAGE=python:3.11.16-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Where pip finds torch without CUDA: 0.2 GB in place of several.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/pictor
# What changes seldom comes first: a change of the code installs no dependency again.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > dependencies.txt \
    && pip --python /opt/pictor/bin/python install --extra-index-url "${TORCH_INDEX}" -c constraints.txt -r dependencies.txt
COPY README.md LICENSE ./
COPY migrations ./migrations
COPY app ./app
RUN pip --python /opt/pictor/bin/python install --no-deps .

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pictor" \
      org.opencontainers.image.description="The team image library with a GraphQL API" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The only places that are ever written to; /tmp is the third. The root file system may be read-only.
RUN groupadd --gid 10001 pictor \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin pictor \
    && install -d -m 0700 -o pictor -g pictor /data /models
COPY --from=build /opt/pictor /opt/pictor
ENV PATH=/opt/pictor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_RUNTIME_DIR=/tmp \
    HF_HOME=/models \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PICTOR_HOST=0.0.0.0 \
    PICTOR_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/models"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# Whether the process lives, not whether it is ready: an orchestrator restarts what fails this.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('PICTOR_PORT') or 8000}/healthz\", timeout=4)"]
ENTRYPOINT ["pictor"]
CMD ["serve"]
