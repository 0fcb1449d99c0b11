# syntax=docker/dockerfile:1
# One image for every process: `mohar api`, `worker`, `sweeper`, `sandbox`, `migrate`, or `mohar up` for all of them.

# A tag moves; a digest does not. For a build that can be repeated, name the image that you have looked at:
#   docker build --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:<digest> .
ARG PYTHON_IMAGE=python:3.11-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Before the sources, so that a change of ours does not fetch all of it again. Every file is checked against its
# hash; from here on pip sees this folder and no network.
COPY requirements.lock .
RUN pip download --quiet --require-hashes --only-binary :all: -r requirements.lock -d /wheels

# The lock also names what tests and linters need. Resolving ours among the checked wheels leaves those out.
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY workers workers
COPY schemas schemas
RUN pip wheel --quiet --no-index --find-links /wheels --no-deps -w /wheels . \
    && python -m venv /opt/mohar \
    && /opt/mohar/bin/pip install --quiet --no-index --find-links /wheels mohar \
    && /opt/mohar/bin/pip check \
    && /opt/mohar/bin/pip uninstall --quiet --yes pip setuptools

FROM ${PYTHON_IMAGE}
# A fixed number, so that the owner of volumes and of secret files can be set from outside.
ARG UID=10001
RUN useradd --uid ${UID} --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin mohar \
    && install --directory --owner=mohar --group=mohar --mode=0700 /data
COPY --from=build /opt/mohar /opt/mohar

# The root may be mounted read-only: bytecode is compiled above, and only /data and /tmp are written to.
ENV PATH=/opt/mohar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MOHAR_HOST=0.0.0.0 \
    MOHAR_PORT=8700 \
    MOHAR_DATA_DIR=/data
USER ${UID}:${UID}
WORKDIR /data
# With the embedded database, the ledger and the master key live here: they must outlive the container.
VOLUME ["/data"]
EXPOSE 8700

# For the api alone. It asks whether the process answers: one that waits for its database must not be killed for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"MOHAR_PORT\"]}/healthz', timeout=2)"]

# Exec form: signals reach the process itself, which then finishes the call that it is in.
ENTRYPOINT ["mohar"]
CMD ["--help"]
