# One image for Prefect's server, workers, the HTTP API, and commands.
FROM python:3.13-slim

WORKDIR /app
COPY requirements/runtime.lock requirements/
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements/runtime.lock
COPY . .
RUN pip install --no-cache-dir --no-deps .

RUN useradd --uid 1000 --create-home seeding && install --directory --owner seeding /data
USER seeding
CMD ["seeding", "--help"]
