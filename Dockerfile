# Build: docker build -t convserve .
# Key:   docker run --rm -v convserve:/data convserve convserve keys create me --scope admin
# Run:   docker run --read-only --tmpfs /tmp -v convserve:/data -p 127.0.0.1:8000:8000 convserve
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/convserve
COPY requirements.txt pyproject.toml README.md LICENSE ./
RUN /opt/convserve/bin/pip install --no-cache-dir --requirement requirements.txt
COPY model model
COPY service service
COPY clients clients
RUN /opt/convserve/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin convserve \
    && install -d -o convserve -g convserve /data
COPY --from=build /opt/convserve /opt/convserve
ENV PATH=/opt/convserve/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CONVSERVE_HOST=0.0.0.0 \
    CONVSERVE_PORT=8000 \
    CONVSERVE_DATA_DIR=/data
USER convserve
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
CMD ["convserve", "serve"]
