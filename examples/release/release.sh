#!/bin/sh
# Releases to the idle side of a service, as a step of a pipeline:
#
#   release.sh SERVICE UPSTREAM URL...        e.g.  release.sh shop green http://10.0.0.7:3000
#
# TEALGATE_ADMIN and TEALGATE_TOKEN name the gate and the operator. Exits with 0 when the release was promoted, with 1
# when it was rolled back (the evidence is in the log), and with another code of docs/cli.md otherwise.
set -eu

service=$1
upstream=$2
shift 2

tealgate targets "$service" "$upstream" "$@"
tealgate wait "$service" --for healthy --upstream "$upstream" --timeout "${HEALTHY_WITHIN:-2m}"

code=0
tealgate rollout start "$service" --to "$upstream" --wait --timeout "${PROMOTED_WITHIN:-2h}" || code=$?
tealgate rollout status "$service" --json
if [ "$code" -eq 3 ]; then
  # It neither failed nor passed in time. Nothing goes on unwatched.
  tealgate rollout abort "$service"
fi
exit "$code"
