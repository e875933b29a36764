# The application and its pages. What the pages show is given to the build, everything else to the container:
#   docker build --build-arg SUPPORT_EMAIL=help@my-company.com -t wallet .
# docs/deployment.md says how the container runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
ENV APP_ENV=production PATH=/venv/bin:$PATH
ARG SUPPORT_EMAIL
ARG APP_NAME=Wallet
ARG PROVIDER_NAME=Onramp
ARG ASSETS
ARG TERMS_URL
ARG PRIVACY_URL
ARG SOURCE_COMMIT
RUN python -m onramp_app build && rm -rf .web

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home wallet
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
# A read-only container has one folder to write to, which is emptied with it.
ENV APP_ENV=production HOME=/tmp PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 3000
# Alive, not ready: an instance whose database is away is left running, and recovers without a restart.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/api/health/live', timeout=2)"]
CMD ["reflex", "run", "--env", "prod"]
