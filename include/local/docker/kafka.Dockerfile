# A Kafka node (broker and controller) from the same pinned jars as on one machine.
FROM python:3.11-slim-bookworm AS jars
RUN apt-get update && apt-get install --yes --no-install-recommends openjdk-17-jre-headless
COPY requirements.txt .
RUN pip install --no-cache-dir --no-deps "$(grep '^pyspark==' requirements.txt)"
COPY include/local/kafka.ivy.xml .
RUN java -cp "$(ls /usr/local/lib/python3.11/site-packages/pyspark/jars/ivy-*.jar)" org.apache.ivy.Main \
    -ivy kafka.ivy.xml -confs default -types jar bundle -retrieve '/kafka/[artifact]-[revision].[ext]'

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*
COPY --from=jars /kafka /opt/kafka
COPY include/local/docker/kafka.sh /usr/local/bin/kafka-node
RUN useradd --create-home kafka && mkdir /var/lib/kafka && chown kafka /var/lib/kafka
USER kafka
CMD ["kafka-node"]
