#!/bin/sh
# Makes the passwords and keys that docker-compose.yml mounts, each in a file of deploy/secrets; what exists stays.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
cd secrets

random() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || printf '%s' "$2" > "$1"; }

keep postgres_password "$(random 24)"
keep owner_password "$(random 24)"
keep server_password "$(random 24)"
keep s3_access_key "$(random 10)"
keep s3_secret_key "$(random 20)"
keep secret_key "$(random 32)"
keep owner_database_url "postgresql://pictor:$(cat owner_password)@database/pictor"
keep server_database_url "postgresql://pictor_server:$(cat server_password)@database/pictor"
# Containers read them as users of their own; on the host the folder keeps everybody else out.
chmod 444 ./*
echo "The secrets are in $PWD. Back them up apart from the data."
