#!/bin/sh
# What a Compose file relies on of the official image: the first start makes a cluster with POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB.
set -e
export PGDATA=/var/lib/postgresql/15/docker
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres:postgres /var/lib/postgresql /run/postgresql
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf '%s\n' "$POSTGRES_PASSWORD" > "$PGDATA.password"
  initdb -U "$POSTGRES_USER" --pwfile="$PGDATA.password" --auth-local=trust --auth-host=scram-sha-256 -E UTF8 --locale=C.UTF-8
  rm "$PGDATA.password"
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  pg_ctl -w start -o "-c listen_addresses=''"
  createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -w -m fast stop
fi
exec postgres -c 'listen_addresses=*'
