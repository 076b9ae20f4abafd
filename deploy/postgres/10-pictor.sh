#!/bin/bash
# Runs once, when the database server is made. Two users: `pictor` owns the tables and migrates; `pictor_server` owns
# nothing and may take the four roles that row-level security knows (docs/decisions/0003-second-wall.md).
set -euo pipefail

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\set owner_password `cat "${SECRETS_DIR:-/run/secrets}/owner_password"`
\set server_password `cat "${SECRETS_DIR:-/run/secrets}/server_password"`
create role pictor_app nologin;
create role pictor_worker nologin;
create role pictor_login nologin;
create role pictor_audit nologin;
create role pictor login password :'owner_password'
  in role pictor_app, pictor_worker, pictor_login, pictor_audit;
create role pictor_server login noinherit password :'server_password'
  in role pictor_app, pictor_worker, pictor_login, pictor_audit;
create database pictor owner pictor;
\connect pictor
create extension vector;
SQL
