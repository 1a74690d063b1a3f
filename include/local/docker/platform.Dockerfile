# Airflow, Spark and the library: one image for every component, so that tasks, driver and executors agree.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/clickstream
COPY requirements.txt .
RUN pip install --no-cache-dir uv==0.13.9 && uv pip install --system --no-cache -r requirements.txt
# Spark's Kafka source goes beside Spark's own jars.
COPY include/local/spark.ivy.xml include/local/spark.ivy.xml
RUN jars=$(python -c 'import pyspark; print(pyspark.__path__[0])')/jars \
    && java -cp "$(ls "$jars"/ivy-*.jar)" org.apache.ivy.Main -ivy include/local/spark.ivy.xml -confs default \
        -types jar bundle -retrieve "$jars/[artifact]-[revision].[ext]" -overwriteMode never \
    && rm -rf ~/.ivy2
COPY pyproject.toml README.md LICENSE ./
COPY include include
RUN uv pip install --system --no-cache --no-deps -e .
COPY dags dags
COPY plugins plugins
COPY spark_jobs spark_jobs
COPY sql sql
RUN useradd --create-home clickstream && mkdir /var/lib/clickstream && chown clickstream /var/lib/clickstream
USER clickstream
