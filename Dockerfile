# Three images from one file, pinned by hash, without a compiler: docker build -t tagalong .
#   serving (the default)    the service
#   traces                   the service with OpenTelemetry's SDK and exporter: --target traces
#   training                 what tagalong-model needs, but for torch: --target training
FROM python:3.13.14-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /venv
COPY requirements/serve.txt requirements/
RUN /venv/bin/pip install --require-hashes -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE ./
COPY backend backend
COPY model model
COPY migrations migrations
RUN /venv/bin/pip install --no-deps --no-build-isolation .

FROM build AS build-traces
COPY requirements/traces.txt requirements/
RUN /venv/bin/pip install --require-hashes -r requirements/traces.txt

FROM build AS build-training
COPY requirements/train.txt requirements/
RUN /venv/bin/pip install --require-hashes -r requirements/train.txt

FROM python:3.13.14-slim AS base
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tagalong \
    && install -d -m 0700 -o tagalong /data
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 TAGALONG_DATA_DIR=/data
USER tagalong

FROM base AS training
COPY --from=build-training /venv /venv
WORKDIR /data
ENTRYPOINT ["tagalong-model"]

FROM base AS service
ENV TAGALONG_HOST=0.0.0.0 TAGALONG_PORT=8600
EXPOSE 8600
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8600/health/ready', timeout=4)"]
CMD ["tagalong-server", "serve"]

FROM service AS traces
COPY --from=build-traces /venv /venv

FROM service AS serving
COPY --from=build /venv /venv
