# The service as an image: docker build -t tagalong . It holds what serving needs, pinned by hash, and no compiler.
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

FROM python:3.13.14-slim
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tagalong \
    && install -d -m 0700 -o tagalong /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 TAGALONG_HOST=0.0.0.0 TAGALONG_PORT=8600 TAGALONG_DATA_DIR=/data
USER tagalong
EXPOSE 8600
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8600/health/ready', timeout=4)"]
CMD ["tagalong-server", "serve"]
