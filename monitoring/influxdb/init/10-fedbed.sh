#!/bin/sh
# Sets up what InfluxDB's image doesn't: a bucket that keeps means for long, the task that fills it,
# names for InfluxQL, and a user that may only read. The image runs it after its own setup; run again
# it changes nothing that is there:
#
#     docker compose exec influxdb /docker-entrypoint-initdb.d/10-fedbed.sh
set -eu

org=${DOCKER_INFLUXDB_INIT_ORG:-fedbed}
short=${DOCKER_INFLUXDB_INIT_BUCKET:-fedbed}
long=${short}_long

id_of_bucket() {
    influx bucket list --org "$org" --name "$1" --hide-headers 2>/dev/null | cut -f 1
}

# InfluxQL asks databases, not buckets. A mapping that is there already is as good as a new one.
map_for_influxql() {
    influx v1 dbrp create --org "$org" --db "$1" --rp autogen --bucket-id "$2" --default >/dev/null 2>&1 ||
        influx v1 dbrp list --org "$org" --db "$1" | grep -q "$2"
}

short_id=$(id_of_bucket "$short")
if [ -z "$(id_of_bucket "$long")" ]; then
    influx bucket create --org "$org" --name "$long" \
        --retention "${FEDBED_LONG_RETENTION:-365d}" --description "means of a minute" >/dev/null
fi
long_id=$(id_of_bucket "$long")

map_for_influxql "$short" "$short_id"
map_for_influxql "$long" "$long_id"

if ! influx task list --org "$org" --hide-headers | grep -Eq "[[:space:]]$long([[:space:]]|\$)"; then
    influx task create --org "$org" --file /etc/fedbed/downsample.flux >/dev/null
fi

if ! influx v1 auth list --org "$org" --username grafana --hide-headers 2>/dev/null | grep -q grafana; then
    influx v1 auth create --org "$org" --username grafana --password "$FEDBED_READER_PASSWORD" \
        --read-bucket "$short_id" --read-bucket "$long_id" --description "Grafana reads" >/dev/null
fi
echo "buckets $short and $long are ready"
