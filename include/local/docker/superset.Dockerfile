# Superset with our configuration, dialect and dashboards; it sets itself up before it serves.
FROM python:3.11-slim-bookworm
WORKDIR /opt/clickstream/include/superset
COPY include/superset/requirements.txt .
RUN pip install --no-cache-dir uv==0.13.9 && uv pip install --system --no-cache -r requirements.txt
COPY include/superset .
RUN uv pip install --system --no-cache --no-deps -e .
ENV SUPERSET_CONFIG_PATH=/opt/clickstream/include/superset/superset_config.py SUPERSET_HOME=/var/lib/superset
RUN useradd --create-home superset && mkdir /var/lib/superset && chown superset /var/lib/superset
USER superset
CMD ["sh", "-c", "clickstream-superset-setup && exec gunicorn --bind 0.0.0.0:8088 --worker-class gthread --workers 1 --threads 8 --timeout 120 'superset.app:create_app()'"]
