#!/bin/sh
# Write the node's configuration from KAFKA_NODE_ID and KAFKA_VOTERS (1@kafka-1:9093,2@kafka-2:9093 …), format its
# storage once, run it. All nodes of a cluster have the same cluster id.
set -eu
node="kafka-$KAFKA_NODE_ID"
replicas=$(echo "$KAFKA_VOTERS" | tr ',' '\n' | wc -l)
cat > /tmp/server.properties <<EOF
process.roles=broker,controller
node.id=$KAFKA_NODE_ID
controller.quorum.voters=$KAFKA_VOTERS
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://$node:9092
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=/var/lib/kafka/data
auto.create.topics.enable=false
offsets.topic.replication.factor=$replicas
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$(((replicas + 1) / 2))
min.insync.replicas=$(((replicas + 1) / 2))
message.max.bytes=2097152
EOF
java -cp '/opt/kafka/*' kafka.tools.StorageTool format --ignore-formatted \
    --cluster-id "${KAFKA_CLUSTER_ID:-Y2xpY2tzdHJlYW0tY2x1cw}" --config /tmp/server.properties
exec java "-Xmx${KAFKA_HEAP_MB:-512}m" -cp '/opt/kafka/*' kafka.Kafka /tmp/server.properties
